/**
 * Llama (Touvron et al. 2023, arXiv:2302.13971; Llama 3: arXiv:2407.21783) and what is built as it is, such as SmolLM2; it reads text only.
 */
import { describeTextModel } from '../blocks/textModel.ts';
import type { ModelDescription } from '../model.ts';
import { parseLlamaConfig } from './config.ts';

export function describeLlama(json: Readonly<Record<string, unknown>>, source: string): ModelDescription {
  const { text, rope, tieWordEmbeddings } = parseLlamaConfig(json, source);
  return describeTextModel({ modelType: 'llama', text, rope: { full_attention: rope }, tieWordEmbeddings });
}
