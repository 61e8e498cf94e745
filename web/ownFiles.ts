/**
 * What comes with the page: the tiny base and the part of the embedded sample that box questions need. Each file is named in a literal,
 * which is what Vite follows to copy it beside the page; the path is where the platform mounts it.
 */
export const OWN_BASE = '/base';
export const OWN_SAMPLE = '/sample';

const base: [name: string, url: URL][] = [
  ['chat_template.jinja', new URL('../node/base/chat_template.jinja', import.meta.url)],
  ['config.json', new URL('../node/base/config.json', import.meta.url)],
  ['generation_config.json', new URL('../node/base/generation_config.json', import.meta.url)],
  ['model.safetensors', new URL('../node/base/model.safetensors', import.meta.url)],
  ['preprocessor_config.json', new URL('../node/base/preprocessor_config.json', import.meta.url)],
  ['tokenizer.json', new URL('../node/base/tokenizer.json', import.meta.url)],
  ['tokenizer_config.json', new URL('../node/base/tokenizer_config.json', import.meta.url)],
];

const DATASET = 'Datasets/Colin27Mini';
const sample: [name: string, url: URL][] = [
  [
    'benchmark_plan_detection_v1.0.0.json.gz',
    new URL('../node/sample/Datasets/Colin27Mini/benchmark_plan_detection_v1.0.0.json.gz', import.meta.url),
  ],
  [
    'Images/k01-bet-1mm-deep_T1w.nii.gz',
    new URL('../node/sample/Datasets/Colin27Mini/Images/k01-bet-1mm-deep_T1w.nii.gz', import.meta.url),
  ],
  ['Images/k02-bet-25mm_T1w.nii.gz', new URL('../node/sample/Datasets/Colin27Mini/Images/k02-bet-25mm_T1w.nii.gz', import.meta.url)],
  [
    'Images/k03-bet-1x1x15mm-deep_T1w.nii.gz',
    new URL('../node/sample/Datasets/Colin27Mini/Images/k03-bet-1x1x15mm-deep_T1w.nii.gz', import.meta.url),
  ],
];

export const ownFiles: ReadonlyMap<string, string> = new Map([
  ...base.map(([name, url]) => [`${OWN_BASE}/${name}`, url.href] as const),
  ...sample.map(([name, url]) => [`${OWN_SAMPLE}/${DATASET}/${name}`, url.href] as const),
]);
