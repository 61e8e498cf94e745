/** Qwen2 and Qwen2.5 (Yang et al. 2024, arXiv:2407.10671), which read text only. */
import { describeTextModel } from '../blocks/textModel.ts';
import type { ModelDescription } from '../model.ts';
import { parseQwen2Config } from './config.ts';

export function describeQwen2(json: Readonly<Record<string, unknown>>, source: string): ModelDescription {
  const { text, rope, tieWordEmbeddings } = parseQwen2Config(json, source);
  return describeTextModel({ modelType: 'qwen2', text, rope: { full_attention: rope, sliding_attention: rope }, tieWordEmbeddings });
}
