/**
 * A recorded run of transformers + PEFT, repeated here: its settings, its rows with the pixels of the reference's image processor, and its start. The
 * reference ran on torchvision's pixels, which differ from Pillow's by a level here and there, so its own resized images are cut into patches; the Pillow
 * ones are tested to the byte elsewhere. Later families' references ran on Pillow's.
 */
import { readFileSync } from 'node:fs';
import { nodePlatform } from '../../node/platform.ts';
import { imageName } from '../../src/data/conversations/images.ts';
import { readConversations } from '../../src/data/conversations/read.ts';
import { decodeSource } from '../../src/data/exampleMaker.ts';
import type { Conversation, Example } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { canonicalName } from '../../src/io/names.ts';
import { loraConfig, parseLoraConfig } from '../../src/io/peftConfig.ts';
import { openSafetensors, toFloat32 } from '../../src/io/safetensors.ts';
import type { Quantization } from '../../src/models/quantization.ts';
import type { Dtype } from '../../src/io/safetensors.ts';
import { openSession } from '../../src/train/session.ts';
import type { Session } from '../../src/train/session.ts';
import type { TrainSettings } from '../../src/train/trainSettings.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import type { GoldenModel } from '../models/goldenModel.ts';
import { namingOf } from '../../src/models/families.ts';

export interface Run {
  kind: 'lora' | 'full';
  variant: string | null;
  mode: 'token_mean' | 'micro_mean';
  steps: number;
  base_lr: number;
  max_grad_norm: number;
  micro_batch: number;
  grad_accum: number;
  sample_ids: string[];
  initial_adapter?: string;
  history: { loss: number; grad_norm: number; lr: number }[];
}

type Tensors = Map<string, { shape: readonly number[]; raw: Uint8Array; dtype: Dtype }>;

export async function tensorsOf(path: string): Promise<Tensors> {
  const file = await openSafetensors(nodePlatform, path);
  const out: Tensors = new Map();
  for (const [key, { shape, dtype }] of file.tensors) out.set(key, { shape, dtype, raw: await file.readRaw(key) });
  await file.close();
  return out;
}

/** The run's rows. */
export async function runExamples(model: GoldenModel, session: Session, run: Run): Promise<Example[]> {
  const rows = new Map<string, Conversation>();
  for await (const row of readConversations(nodePlatform, goldenPath('data', 'dataset.jsonl'), { isForTraining: false })) rows.set(row.id!, row);
  return Promise.all(run.sample_ids.map((id) => example(model, session, rows.get(id)!)));
}

/** The row as our processor encodes it, with the pixels of the image processor that the reference used. */
async function example(model: GoldenModel, session: Session, row: Conversation): Promise<Example> {
  const images = await Promise.all(row.images.map((image) => decodeSource(nodePlatform, image)));
  const encoded = session.processor.encode(row, images, { mask: 'completion' });
  if (model.layout.isPillow) return encoded;
  return { ...encoded, ...(await model.resizedImages(row.images.map((image) => imageName(image).split('/').at(-1)!))) };
}

export function settingsOf(run: Run): TrainSettings {
  return {
    run_name: 'golden', epoch: 1, max_steps: run.steps, per_device_train_batch_size: run.micro_batch, gradient_accumulation_steps: run.grad_accum,
    learning_rate: run.base_lr, lr_scheduler_type: 'linear', warmup_ratio: 0.03, warmup_steps: 0, max_grad_norm: run.max_grad_norm, weight_decay: 0,
    adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, loss_reduction: run.mode === 'token_mean' ? 'token' : 'microbatch', shuffle: false, seed: 0,
    gradient_checkpointing: true, logging_steps: 1, save_steps: -1, save_total_limit: -1,
  };
}

export async function openRun(device: Device, model: GoldenModel, run: Run, folder: string, quantization?: Quantization): Promise<Session> {
  const stored = quantization && { quantization };
  const { baseModel, name } = model;
  if (run.kind === 'full') return openSession(nodePlatform, device, { baseModel, finetuning: { kind: 'full' } });
  if (run.initial_adapter !== undefined) return openSession(nodePlatform, device, { baseModel, initAdapter: goldenPath('golden', name, run.initial_adapter), ...stored });
  const path = goldenPath('golden', name, 'lora', run.variant!, 'adapter_config.json');
  const config = loraConfig(parseLoraConfig(JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>, path));
  const session = await openSession(nodePlatform, device, { baseModel, finetuning: { kind: 'lora', config }, ...stored });
  for (const [key, { raw, dtype }] of await tensorsOf(`${folder}/adapter_init.safetensors`)) session.arena.writeValues(plain(model, key), toFloat32(raw, dtype, key));
  return session;
}

export function plain(model: GoldenModel, key: string): string {
  return canonicalName(namingOf(model.layout.modelType), key.replace(/^base_model\.model\./, ''));
}
