/** What the options say of quantisation, as a session takes it. */
import type { Quantization } from '../models/quantization.ts';
import { modelOptions } from './model.ts';

export interface QuantizationOptions {
  quantization: 'none' | 'nf4';
  quantization_skip_modules: readonly string[];
  quantize_embedding: 'none' | 'int8';
}

export function quantizationOf({ quantization, quantization_skip_modules, quantize_embedding }: QuantizationOptions): Quantization {
  return { weights: quantization, skipModules: quantization_skip_modules, embedding: quantize_embedding };
}

/** What a folder whose weights are in 4 bits already makes of the options; its own choice of modules holds. */
export function storedNote(
  { quantization, quantization_skip_modules: names }: QuantizationOptions,
  isStoredNf4: boolean,
): string | undefined {
  const isGiven = names.join() !== modelOptions.quantization_skip_modules.default.join();
  if (!isStoredNf4 || quantization !== 'nf4' || !isGiven) return undefined; // without nf4 the options' check has said it
  return 'Note: --quantization_skip_modules: no effect on a base model that bitsandbytes has quantised; its own choice holds.';
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
