/** Qwen3-VL (Bai et al. 2025, arXiv:2511.21631), dense. */
import { describeQwenVision } from '../blocks/qwenVision.ts';
import type { ModelDescription } from '../model.ts';
import { parseQwen3VLConfig } from './config.ts';
import { interleavedRotary } from './positions.ts';
import { deepNames, qwen3Vision } from './vision.ts';

export function describeQwen3VL(json: Readonly<Record<string, unknown>>, source: string): ModelDescription {
  const config = parseQwen3VLConfig(json, source);
  return describeQwenVision(config, {
    tower: (m) => qwen3Vision(m, config.vision),
    angles: (positionIds) => interleavedRotary(positionIds, config.text),
    deep: deepNames(config.vision),
  });
}
