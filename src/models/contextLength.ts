/**
 * How many tokens a row may have: `max_position_embeddings` of the text model, which is what it was made for. transformers computes longer
 * rows without a word; what comes of them is noise. The tokenizer's `model_max_length` is no limit: transformers only warns of it, and many
 * folders state any number.
 */
import { asObject, readJsonFile } from '../data/jsonFile.ts';
import { shownJson } from '../io/parseJson.ts';
import { joinPath, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { modelFamily } from './families.ts';

/** @param dir folder of the model @throws UserError that names the file and the key which is wrong */
export async function contextLength(platform: Platform, dir: string): Promise<number> {
  const path = joinPath(dir, 'config.json');
  const config = await readJsonFile(platform, path);
  const family = modelFamily(String(config?.['model_type']), path);
  const stated =
    asObject(config?.['text_config'])?.['max_position_embeddings'] ?? config?.['max_position_embeddings'] ?? family.defaultPositions;
  if (typeof stated === 'number' && Number.isInteger(stated) && stated > 0) return stated;
  throw new UserError(`${path}: max_position_embeddings is ${shownJson(stated)}; a positive whole number was expected.`);
}
