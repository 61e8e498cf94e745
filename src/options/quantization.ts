/** What the options say of quantisation, as a session takes it. */
import type { Quantization } from '../models/quantization.ts';

export interface QuantizationOptions {
  quantization: 'none' | 'nf4';
  quantization_skip_modules: readonly string[];
  quantize_embedding: 'none' | 'int8';
}

export function quantizationOf({ quantization, quantization_skip_modules, quantize_embedding }: QuantizationOptions): Quantization {
  return { weights: quantization, skipModules: quantization_skip_modules, embedding: quantize_embedding };
}

/** What of it must not change while a run or an evaluation goes on, by option name. */
export function quantizationFacts(options: QuantizationOptions): Record<string, string> {
  return {
    quantization: options.quantization,
    // Of no effect otherwise.
    ...(options.quantization === 'nf4' && { quantization_skip_modules: [...options.quantization_skip_modules].sort().join(',') }),
    quantize_embedding: options.quantize_embedding,
  };
}
