/** Every WGSL file under kernels/, keyed by its path without folder and suffix (`rms_norm`, `lib/reduce`). */
import { KERNEL_TEXTS } from './kernelTexts.ts';

export const kernelSources: ReadonlyMap<string, string> = new Map(Object.entries(KERNEL_TEXTS));
