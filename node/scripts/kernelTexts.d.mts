export function readKernels(folder: string): Map<string, string>;
export function writeKernelTexts(): void;
