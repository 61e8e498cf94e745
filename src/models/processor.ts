/**
 * The processor of a model folder without its weights: preparing data needs only the configuration, the tokenizer and the image settings.
 */
import { textOrNothing } from '../io/parseJson.ts';
import type { Processor } from '../data/example.ts';
import { readJsonFile } from '../data/jsonFile.ts';
import { joinPath, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { modelFamily } from './families.ts';
import type { PixelBounds } from './model.ts';

/** @throws UserError that names the file which is missing or wrong */
export async function loadProcessor(platform: Platform, dir: string, pixels: PixelBounds = {}): Promise<Processor> {
  const path = joinPath(dir, 'config.json');
  const modelType = (await readJsonFile(platform, path))?.['model_type'];
  if (modelType === undefined) throw new UserError(`${path}: missing, or without a model_type. A Hugging Face model folder was expected.`);
  return modelFamily(textOrNothing(modelType), path).processor(platform, dir, pixels);
}
