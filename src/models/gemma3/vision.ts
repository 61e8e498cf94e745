/** What stands around SigLIP in Gemma 3: its pooling head, which is never run, and the projector into the text's width. */
import { averagePool } from '../../ops/averagePool.ts';
import { project } from '../../ops/project.ts';
import { rmsNorm } from '../../ops/rmsNorm.ts';
import { siglip } from '../blocks/siglip.ts';
import type { Modules } from '../modules.ts';
import { HIDDEN, stage } from '../stages.ts';
import type { Vision } from '../vision.ts';
import type { Gemma3Config, Gemma3VisionConfig } from './config.ts';

/** @param m of nothing else */
export function gemma3Vision(m: Modules, config: Gemma3Config): Vision {
  const { vision, text } = config;
  const { hiddenSize: C, patchesPerSide, layerNormEps: eps } = vision;
  const tower = siglip(m.at('vision_tower.vision_model'), vision);
  if (vision.hasHead) poolingHead(m.at('vision_tower.vision_model.head'), vision);
  const projector = m.at('multi_modal_projector');
  // Applied from the right, and not a linear layer: no LoRA reaches it.
  const projection = projector.parameter('mm_input_projection_weight', [C, text.hiddenSize]);
  const softNorm = projector.norm('mm_soft_emb_norm', C);
  const patches = patchesPerSide ** 2;
  return {
    modules: m,
    imageTokenId: config.imageTokenId,
    gives: [HIDDEN],
    width: text.hiddenSize,
    widest: Math.max(C, vision.intermediateSize),
    patches: () => patches,
    features: () => config.tokensPerSide ** 2,
    stages(tables, { length: images }, { grad }) {
      const places = Uint32Array.from({ length: images * patches }, (_, i) => i % patches);
      const starts = Array.from({ length: images + 1 }, (_, image) => image * patches);
      return [
        ...tower.stages({ tables, places, starts, grad }),
        stage(projector, (t, x) => {
          // An average over squares of patches, then a norm and a matrix into the text's width.
          const pooled = averagePool(t, x, { images, side: patchesPerSide, kernel: config.poolSize });
          return project(t, rmsNorm(t, pooled, softNorm, eps, 1), projection);
        }),
      ];
    },
  };
}

/** A part of the checkpoint all the same: all-linear reaches it in PEFT too, and a fully trained model is saved with it. */
function poolingHead(m: Modules, { hiddenSize: C, intermediateSize: F }: Gemma3VisionConfig): void {
  m.parameter('probe', [1, 1, C]);
  m.parameter('attention.in_proj_weight', [3 * C, C]);
  m.parameter('attention.in_proj_bias', [3 * C]);
  m.linear('attention.out_proj', [C, C], { bias: true });
  m.layerNorm('layernorm', C);
  m.linear('mlp.fc1', [F, C], { bias: true });
  m.linear('mlp.fc2', [C, F], { bias: true });
}
