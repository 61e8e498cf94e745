/** Qwen2.5-VL (Bai et al. 2025, arXiv:2502.13923). */
import { describeQwenVision } from '../blocks/qwenVision.ts';
import type { ModelDescription } from '../model.ts';
import { parseQwen2_5VLConfig } from './config.ts';
import { textRotary } from './positions.ts';
import { qwen2_5Vision } from './vision.ts';

export function describeQwen2_5VL(json: Readonly<Record<string, unknown>>, source: string): ModelDescription {
  const config = parseQwen2_5VLConfig(json, source);
  return describeQwenVision(config, {
    tower: (m) => qwen2_5Vision(m, config.vision),
    angles: (positionIds) => textRotary(positionIds, config.text),
  });
}
