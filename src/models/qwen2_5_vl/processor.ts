/** The Processor of Qwen2.5-VL: that of Qwen's vision-language models, over its configuration. */
import { loadConversationFolder } from '../../data/conversationTokens.ts';
import { loadImageSettings } from '../../data/image.ts';
import type { Platform } from '../../platform.ts';
import type { PixelBounds } from '../model.ts';
import { QwenVisionProcessor } from '../qwenVisionProcessor.ts';
import { parseQwen2_5VLConfig } from './config.ts';

export class Qwen2_5VLProcessor extends QwenVisionProcessor {
  /**
   * Reads config.json, the tokenizer, the chat template and the image settings of a model folder.
   * @throws UserError that names the file which is missing or wrong
   */
  static async load(platform: Platform, dir: string, overrides: PixelBounds = {}): Promise<Qwen2_5VLProcessor> {
    const folder = await loadConversationFolder(platform, dir);
    const config = parseQwen2_5VLConfig(folder.config, folder.configPath);
    return new Qwen2_5VLProcessor(config, folder, await loadImageSettings(platform, dir), overrides);
  }
}
