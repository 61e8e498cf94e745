/** Qwen3 (Yang et al. 2025, arXiv:2505.09388), which reads text only. */
import { describeTextModel } from '../blocks/textModel.ts';
import type { ModelDescription } from '../model.ts';
import { parseQwen3Config } from './config.ts';

export function describeQwen3(json: Readonly<Record<string, unknown>>, source: string): ModelDescription {
  const { text, rope, tieWordEmbeddings } = parseQwen3Config(json, source);
  return describeTextModel({ modelType: 'qwen3', text, rope: { full_attention: rope, sliding_attention: rope }, tieWordEmbeddings });
}
