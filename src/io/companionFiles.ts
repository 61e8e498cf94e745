/**
 * The small files of a model folder beside its weights: configuration, tokenizer, processor, chat template. They go along with every model
 * made from it.
 */
import { joinPath, type Platform } from '../platform.ts';
import { withJsonMember } from './jsonText.ts';

export const COMPANION_FILES = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'tokenizer.model',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'chat_template.json',
  'preprocessor_config.json',
  'processor_config.json',
  'video_preprocessor_config.json',
];

/** Copies those that exist; `edit` changes the text of config.json. */
export async function copyCompanionFiles(platform: Platform, from: string, to: string, edit: (config: string) => string): Promise<void> {
  for (const name of COMPANION_FILES) {
    const path = joinPath(from, name);
    if (!(await platform.exists(path))) continue;
    const bytes = await platform.readFile(path);
    await platform.writeFile(joinPath(to, name), name === 'config.json' ? edit(new TextDecoder().decode(bytes)) : bytes);
  }
}

/**
 * config.json of a model whose head stands alone. A nested configuration has the flag in its text part too, which some versions of
 * transformers read.
 */
export function statedAsUntied(text: string): string {
  const { text_config: nested } = JSON.parse(text) as { text_config?: unknown };
  const out = withJsonMember(text, ['tie_word_embeddings'], false);
  return typeof nested === 'object' && nested !== null ? withJsonMember(out, ['text_config', 'tie_word_embeddings'], false) : out;
}

/** config.json as it is written for weights in f32: transformers would otherwise load them in the precision that the base model had. */
export function statedAsFloat32(config: string): string {
  return config.replace(/("(?:torch_)?dtype"\s*:\s*)"[^"]*"/g, '$1"float32"');
}
