/**
 * Options of the base model, how it is held and computed, and LoRA. Names are medvision_bm's where it has one, Hugging Face's and PEFT's
 * where it has not; each default that is not medvision_bm's says why.
 */
import type { Definition } from './definition.ts';

export const modelOptions = {
  config: {
    group: 'Model',
    type: 'string',
    default: null,
    place: 'path',
    aliases: ['recipe'],
    help: 'YAML file with these same names; flags override it.',
  },
  run_name: { group: 'Model', type: 'string', default: 'sft', help: 'Name of the run, in logs and in the default output folder.' },
  base_model_hf: {
    group: 'Model',
    type: 'string',
    default: null,
    place: 'path or hub id',
    aliases: ['model_name_or_path'],
    help:
      'Base model: a Hugging Face model folder (config.json, *.safetensors, tokenizer.json), or a hub id, ORG/NAME or ' +
      'ORG/NAME@REVISION, which is fetched into the cache that Python uses too. Required.',
  },
  init_adapter: {
    group: 'Model',
    type: 'string',
    default: null,
    place: 'path or hub id',
    help: 'PEFT adapter to go on from, a folder or a hub id; its own rank, alpha and targets hold.',
  },
  finetune: {
    group: 'Model',
    type: 'enum',
    default: 'lora',
    choices: ['lora', 'full'],
    help: 'Train a LoRA adapter, or every weight of the model.',
  },
  quantization: {
    group: 'Model',
    type: 'enum',
    default: 'none',
    choices: ['none', 'nf4'],
    help:
      'How frozen linear layers are held on the GPU. none: in the precision of the checkpoint. nf4: in 4 bits with double ' +
      'quantisation, quantised while loading bit for bit as bitsandbytes does, a quarter of the memory of bf16. A folder that ' +
      'bitsandbytes has quantised to NF4 is held as it is. medvision_bm always takes nf4.',
  },
  quantization_skip_modules: {
    group: 'Model',
    type: 'list',
    default: ['lm_head'],
    help:
      "With --quantization nf4: modules that keep their precision, by whole parts of their names (bitsandbytes' " +
      'llm_int8_skip_modules), as lm_head,visual. A head that is tied to the embedding, and modules that train as a whole, keep it ' +
      'anyway.',
  },
  quantize_embedding: {
    group: 'Model',
    type: 'enum',
    default: 'none',
    choices: ['none', 'int8'],
    help:
      'int8: the embedding table, and the head where it is tied to it, in bytes with a scale a row: half the memory of bf16, each ' +
      'value within 1/254 of the largest of its row. Not where the table trains.',
  },
  compute_dtype: {
    group: 'Model',
    type: 'enum',
    default: 'auto',
    choices: ['auto', 'f32', 'f16'],
    help:
      'What operands of products and attention are rounded to; sums, the residual stream, statistics, gradients of what trains and ' +
      'AdamW are f32 throughout. auto: f16 on a GPU with tensor cores that WebGPU can use (subgroup matrices), else f32; the run says ' +
      'which. With --finetune full f16 multiplies operands in two halves, which keeps the digits of f32.',
  },
  image_attention: {
    group: 'Model',
    type: 'enum',
    default: 'bidirectional',
    choices: ['bidirectional', 'causal'],
    help:
      'Gemma 3: the tokens of an image see each other both ways, as the model was made; causal: only those before them, which is ' +
      'what medvision_bm trains with FlashAttention-2. Of no effect on other models.',
  },

  lora_r: { group: 'LoRA', type: 'integer', default: 16, min: 1, max: 4096, help: 'Rank.' },
  lora_alpha: {
    group: 'LoRA',
    type: 'number',
    default: 16,
    above: 0,
    help: 'Scale: the delta is multiplied by alpha / r (alpha / sqrt(r) with --use_rslora).',
  },
  lora_dropout: { group: 'LoRA', type: 'number', default: 0.05, min: 0, below: 1, help: "Dropout on the adapter's input." },
  target_modules: {
    group: 'LoRA',
    type: 'list',
    default: ['all-linear'],
    regex: true,
    help: 'all-linear, or names as q_proj,v_proj, or one regular expression on the full module name, by the rules of PEFT.',
  },
  modules_to_save: {
    group: 'LoRA',
    type: 'list',
    default: [],
    help:
      'Modules trained in full and saved with the adapter. medvision_bm trains lm_head,embed_tokens; the default here is none, ' +
      'because for a 3B model these two alone take some 10 GB of GPU memory with their gradients and optimizer state.',
  },
  use_rslora: { group: 'LoRA', type: 'boolean', default: false, help: 'Rank-stabilised scale, alpha / sqrt(r).' },
  use_dora: { group: 'LoRA', type: 'boolean', default: false, help: 'Weight-decomposed LoRA: direction and magnitude are learnt apart.' },
} as const satisfies Record<string, Definition>;
