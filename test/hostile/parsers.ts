/** Every reader of what strangers give: its hostile inputs, and what is done with one as the programs do it. */
import { deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import sharp from 'sharp';
import { readRecipe } from '../../src/options/commandLine.ts';
import { nodePlatform } from '../../node/platform.ts';
import { imageHeader } from '../../src/data/imageHeader.ts';
import { ChatTemplate } from '../../src/data/chat.ts';
import { openRowFile } from '../../src/data/conversations/rowFile.ts';
import { fileChunks } from '../../src/data/gzip.ts';
import { readRow, scoreRow } from '../../src/data/medvision/answerRows.ts';
import { openPlan, planCases } from '../../src/data/medvision/plan.ts';
import { readTaskList } from '../../src/data/medvision/tasks.ts';
import { openAnyVolume } from '../../src/data/openVolume.ts';
import { manifestText } from '../../src/data/prepared/manifest.ts';
import { PreparedSet } from '../../src/data/prepared/preparedSet.ts';
import { fetchModel } from '../../src/hub/modelFiles.ts';
import { hubSettings } from '../../src/hub/settings.ts';
import { listTree, pathsInfo, resolveRevision } from '../../src/hub/tree.ts';
import { uploadFiles, whoAmI } from '../../src/hub/upload.ts';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import { adapterShapes, checkAdapterFits, openAdapter } from '../../src/io/peft.ts';
import { parseLoraConfig } from '../../src/io/peftConfig.ts';
import { modulesFromParameters, resolveAdapter } from '../../src/io/peftTargets.ts';
import { openSafetensors, writeSafetensors } from '../../src/io/safetensors.ts';
import { modelFamily, namingOf } from '../../src/models/families.ts';
import { loadProcessor } from '../../src/models/processor.ts';
import { parseFor } from '../../src/options/program.ts';
import { trainProgram } from '../../src/options.ts';
import { UserError } from '../../src/platform.ts';
import { readRunState } from '../../src/train/runState.ts';
import { WandbClient, WandbUnavailable } from '../../src/track/wandb/client.ts';
import { memoryPlatform } from '../io/memoryPlatform.ts';
import { niftiFile } from '../data/niftiFile.ts';
import { hostileBytes, hostileJson, hostileText, hostileValue } from './cases.ts';
import { file, json, parser, platformOf } from './parser.ts';
import type { Parser } from './parser.ts';
import { DICOM_PARSERS } from './dicomParsers.ts';
import { PICTURE_PARSERS } from './pictureParsers.ts';
import { RUN_PARSERS } from './runParsers.ts';

// ---- rows -----------------------------------------------------------------------------------------------------------------------------

const ROWS: readonly unknown[] = [
  { id: 'a', task: 't', messages: [{ role: 'user', content: [{ type: 'image', image: 'a.png' }, { type: 'text', text: 'What?' }] }, { role: 'assistant', content: 'This.', weight: 1 }] },
  { images: ['a.png', { path: 'b.png' }], messages: [{ role: 'system', content: 's' }, { role: 'user', content: '<image> and <image>' }, { role: 'assistant', content: 'yes', train: false }, { role: 'assistant', content: 'no' }] },
  { image: 'a.png', conversations: [{ from: 'human', value: '<image>\nWhat?' }, { from: 'gpt', value: 'That.' }], system: 's' },
  { prompt: [{ role: 'user', content: 'q' }], completion: [{ role: 'assistant', content: 'a' }] },
  { instruction: 'i', input: 'x', output: 'o', history: [['q', 'a']] }, { query: 'q', response: 'r', images: [] },
];

async function readRows(name: string, bytes: Uint8Array): Promise<void> {
  const rows = await openRowFile(platformOf({ [name]: bytes }), name);
  try {
    let first: UserError | undefined;
    for await (const { index, problem } of rows.scan()) {
      first ??= problem;
      if (index > 200) break;
    }
    if (first !== undefined) throw first;
  } finally {
    await rows.close();
  }
}

const parquets = ['mixed', 'parts', 'parts_v1', 'parts_v2', 'parts_lz4', 'parts_brotli', 'parts_zstd', 'parts_gzip', 'path', 'sequence', 'sharegpt', 'pandas'];

// ---- model folders --------------------------------------------------------------------------------------------------------------------

const BASES = ['node/base', 'node/base-medgemma'] as const;
const TEXTS = ['config.json', 'generation_config.json', 'preprocessor_config.json', 'tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'];
const picture = { width: 40, height: 30, data: new Uint8Array(40 * 30 * 3) };
const conversation = {
  images: ['a.png'],
  messages: [
    { role: 'user' as const, content: [{ type: 'image' as const }, { type: 'text' as const, text: 'How long?  \n\t is it, 12.5 mm?' }] },
    { role: 'assistant' as const, content: 'It is 3.' },
  ],
};

async function useFolder(base: string, changed: string, bytes: Uint8Array): Promise<void> {
  const files = Object.fromEntries(TEXTS.map((name) => [`base/${name}`, file(`${base}/${name}`)]));
  const processor = await loadProcessor(platformOf({ ...files, [`base/${changed}`]: bytes }), 'base');
  const { height, width } = processor.resizedSize(30, 40);
  if (height * width > 1e6) return;
  const { inputIds } = processor.encode(conversation, [picture], { mask: 'completion' });
  processor.decode(inputIds, { skipSpecialTokens: true });
}

async function describeModel(config: Uint8Array): Promise<void> {
  const platform = platformOf({ 'base/config.json': config, 'base/model.safetensors': tensors });
  const folder = await openModelFolder(platform, 'base', namingOf);
  const { shapes } = modelFamily(folder.naming.modelType, 'base/config.json').describe(folder.config, 'base/config.json');
  resolveAdapter(parseLoraConfig(LORA, 'adapter_config.json'), modulesFromParameters(shapes));
}

// ---- weights and adapters -------------------------------------------------------------------------------------------------------------

const LORA = { peft_type: 'LORA', r: 2, lora_alpha: 4, target_modules: ['q_proj'], rank_pattern: { v_proj: 2 }, alpha_pattern: {}, modules_to_save: null, layers_to_transform: null, exclude_modules: null, use_dora: false };
const MODULES: [string, number[]][] = [['model.layers.0.self_attn.q_proj.weight', [4, 4]], ['model.layers.0.self_attn.v_proj.weight', [4, 4]], ['lm_head.weight', [8, 4]]];
const memory = memoryPlatform();
await writeSafetensors(memory, 'm', MODULES.map(([name, shape]) => ({ name, dtype: 'F32', shape, data: new Uint8Array(shape[0]! * shape[1]! * 4) })));
const prefix = 'base_model.model.model.layers.0.self_attn.q_proj';
await writeSafetensors(memory, 'a', ['lora_A', 'lora_B'].map((part) => ({ name: `${prefix}.${part}.weight`, dtype: 'F32', shape: part === 'lora_A' ? [2, 4] : [4, 2], data: new Uint8Array(32) })));
const tensors = memory.files.get('m')!;
const adapterTensors = memory.files.get('a')!;

async function readTensors(bytes: Uint8Array): Promise<void> {
  const opened = await openSafetensors(platformOf({ 'm.safetensors': bytes }), 'm.safetensors');
  for (const name of opened.tensors.keys()) await opened.readRaw(name);
}

async function useAdapter(config: Uint8Array, weights: Uint8Array): Promise<void> {
  const platform = platformOf({ 'ad/adapter_config.json': config, 'ad/adapter_model.safetensors': weights });
  const adapter = await openAdapter(platform, 'ad', namingOf('qwen2'));
  try {
    const modules = modulesFromParameters(MODULES);
    adapterShapes(checkAdapterFits(adapter, modules).resolved, adapter.config.use_dora, modules);
  } finally {
    await adapter.close();
  }
}

// ---- volumes, pictures ----------------------------------------------------------------------------------------------------------------

const nifti = niftiFile([8, 9, 7], [1, 1, 2]);
const nrrdHead = 'NRRD0004\ntype: int16\ndimension: 3\nspace: left-posterior-superior\nsizes: 8 9 7\nspace directions: (1,0,0) (0,1,0) (0,0,2)\nendian: little\nspace origin: (0,0,0)\n';
const mhaHead = 'ObjectType = Image\nNDims = 3\nBinaryDataByteOrderMSB = False\nCompressedData = True\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 1 2 3\nElementSpacing = 1 1 2\nDimSize = 8 9 7\nElementType = MET_SHORT\nElementDataFile = LOCAL\n';
const shorts = new Uint8Array(8 * 9 * 7 * 2).map((_, i) => (i * 31) & 255);
const rawVolumes = {
  nrrd: new Uint8Array(Buffer.concat([Buffer.from(`${nrrdHead}encoding: raw\n\n`), shorts])),
  packed: new Uint8Array(Buffer.concat([Buffer.from(`${nrrdHead}encoding: gzip\n\n`), gzipSync(shorts)])),
  mha: new Uint8Array(Buffer.concat([Buffer.from(mhaHead), deflateSync(shorts)])),
};
const stacks = JSON.parse(gunzipSync(file('test/golden/tiff_stacks.json.gz')).toString()) as { cases: { name: string; bytes: string }[] };
const tiffStack = (name: string): Uint8Array => new Uint8Array(Buffer.from(stacks.cases.find((one) => one.name === name)!.bytes, 'base64'));
const TIFF_STACKS = ['i2 little endian, lzw, predictor 2, tiles', 'f4 big endian, zlib, predictor 3, tiles', 'ImageJ mm', 'OME'];
const noise = Buffer.from(Array.from({ length: 24 * 20 * 3 }, (_, i) => (i * 7919) % 256));
const drawn = sharp(noise, { raw: { width: 24, height: 20, channels: 3 } });
/** A decoder makes room for the whole picture that a header claims, which at Pillow's limit is half a gigabyte; here the limit is lower. */
const FEW_PIXELS = 2 ** 24;

async function decoded(bytes: Uint8Array, name: string): Promise<void> {
  const { width, height } = imageHeader(bytes, name);
  if (width * height > FEW_PIXELS) throw new UserError(`${name}: ${width}×${height} pixels are too many here`);
  await nodePlatform.decodeImage(bytes, name);
}

const pictures: readonly [string, Uint8Array][] = [
  ['PNG', new Uint8Array(await drawn.clone().png().toBuffer())], ['palette PNG', new Uint8Array(await drawn.clone().png({ palette: true }).toBuffer())],
  ['16-bit PNG', new Uint8Array(await drawn.clone().toColourspace('grey16').png().toBuffer())], ['JPEG', new Uint8Array(await drawn.clone().jpeg().toBuffer())],
  ['WebP', new Uint8Array(await drawn.clone().webp().toBuffer())], ['GIF', new Uint8Array(await drawn.clone().gif().toBuffer())],
  ['TIFF', new Uint8Array(await drawn.clone().tiff().toBuffer())], ['LZW TIFF', new Uint8Array(await drawn.clone().tiff({ compression: 'lzw' }).toBuffer())],
];

async function readVolume(name: string, bytes: Uint8Array): Promise<void> {
  const volume = await openAnyVolume(platformOf({ [name]: bytes }), name);
  for (const dim of [0, 1, 2] as const) await volume.slice(dim, volume.shape[dim] - 1);
}

// ---- plans, prepared folders, answers, runs -------------------------------------------------------------------------------------------

const slice = { slice_idx: 3, slice_profile: [{ label: 1, bboxes: [{ min_coords: [2, 3], max_coords: [14, 25], dimensions: [13, 23] }] }] };
const caseInfo = { case_ID: 'v1', image_file: 'Images/v1.nii', mask_file: 'Masks/v1.nii', image_file_info: { voxel_size: [1, 1, 2], array_size: [30, 40, 20] }, slice_profiles_z: [slice] };
const PLAN = { tasks: [{ task_ID: '01', labels_map: { 1: 'liver' }, image_description: 'a scan', image_modality: 'CT', train_cases: [caseInfo, caseInfo], test_cases: [caseInfo] }] };

async function readPlan(bytes: Uint8Array): Promise<void> {
  const platform = platformOf({ 'data/Datasets/D/benchmark_plan_detection_v1.0.0.json.gz': gzipSync(bytes) });
  const plan = await openPlan(platform, 'data', 'D', 'detection');
  for await (const one of planCases(platform, plan, [{ task: 1, split: 'train', axes: [0, 1, 2] } as never])) void one;
}

const shard = { file: 'train-00000.parquet', rows: 3, bytes: file('test/golden/rows/mixed.parquet').length, sha256: '0'.repeat(64) };
const MANIFEST = JSON.parse(manifestText({ identity: { model_type: 'qwen2', seed: 1 }, images: 'none', splits: { train: [shard], validation: [] }, tasks: { train: { t: 3 }, validation: {} } })) as unknown;
const ANSWER = { doc_id: 3, doc: { taskType: 'Detection', dataset_name: 'D', label: 1, slice_dim: 2, biometric_profile: { metric_type: 'distance', metric_key: 'k' } }, target: '[0.1, 0.2, 0.3, 0.4]', resps: [['0.1, 0.2, 0.3, 0.4']], task: 'D_BoxSize_Task01_Axial', prompt: 'p' };
const STATE = { format: 1, world_size: 1, step: 4, optimizer: {}, identity: { seed: 1, rows: 3 }, settings: {}, pending: {}, best: null, trackers: {}, sampler: { rows: 3 } };
const LIST = { D_BoxSize_Task01_Axial: 1, D_TumorLesionSize_Task02_Sagittal: 1 };
const RECIPE = 'learning_rate: 1e-5\nepoch: 3 # passes\ntarget_modules: [q_proj, v_proj]\nlr_scheduler_type: &a cosine\ntrain_file: rows.jsonl\nshuffle: false\nrun_name: "x\\n"\n';

// ---- servers --------------------------------------------------------------------------------------------------------------------------

const settings = hubSettings({ endpoint: 'http://hub.invalid', token: 'hf_0123456789abcdefghij', cacheDir: 'cache', times: { attempts: 1, backoffMs: 0, maxWaitMs: 0, stallMs: 1500 } });
const repo = { type: 'model', id: 'org/name' } as const;
const sha = 'c'.repeat(40);
const HUB = {
  status: 200, link: '',
  body: { sha, name: 'me', orgs: [{ name: 'o' }], files: [{ path: 'a', uploadMode: 'lfs' }], objects: [{ actions: { upload: { href: 'http://hub.invalid/x', header: { chunk_size: '2', '1': 'http://hub.invalid/1' } }, verify: { href: 'http://hub.invalid/v' } } }], commitOid: sha },
  list: [{ type: 'file', path: 'config.json', size: 3, oid: 'e'.repeat(40), lfs: { oid: 'f'.repeat(64), size: 3 } }, { type: 'directory', path: 'd' }],
};

/** The one fetch of all requests answers as the case says. */
async function withAnswers<T>(answer: (address: string) => { status: number; body: unknown; headers?: Record<string, string> }, work: () => Promise<T>): Promise<T> {
  const { fetch } = globalThis;
  globalThis.fetch = ((address: string | URL) => {
    const { status, body, headers = {} } = answer(String(address));
    return Promise.resolve(new Response(status === 204 || status === 304 ? null : JSON.stringify(body), { status, headers }));
  }) as typeof globalThis.fetch;
  try {
    return await work();
  } finally {
    globalThis.fetch = fetch;
  }
}

async function talkToHub({ status, link, body, list }: typeof HUB): Promise<void> {
  const isStatus = typeof status === 'number' && Number.isInteger(status) && status >= 200 && status <= 599;
  const headers: Record<string, string> = typeof link === 'string' && /^[\x20-\x7e]*$/.test(link) && link !== '' ? { Link: `<${link}>; rel="next"`, Location: link, 'x-error-message': link } : {};
  let asked = 0;
  const answer = (address: string): { status: number; body: unknown; headers?: Record<string, string> } => {
    const isList = /tree|paths-info/.test(address);
    return { status: isStatus ? status : 200, body: isList ? list : body, ...(asked++ < 3 && { headers }) };
  };
  const acts: (() => Promise<unknown>)[] = [
    () => resolveRevision(settings, repo, 'main'), () => listTree(settings, repo, sha), () => pathsInfo(settings, repo, sha, ['a']), () => whoAmI(settings),
    () => uploadFiles(memoryPlatform(), settings, repo, [{ path: 'a', content: 'abc' }], { message: 'm' }),
    () => fetchModel(memoryPlatform(), settings, { id: repo.id, revision: 'main' } as never),
  ];
  await withAnswers(answer, () => settled(acts));
}

/** All of them, then the first error; one that is not for the user at once. */
async function settled(acts: readonly (() => Promise<unknown>)[]): Promise<void> {
  let first: UserError | undefined;
  for (const act of acts) {
    try {
      await act();
    } catch (error) {
      if (error instanceof WandbUnavailable) continue; // waited for and tried again
      if (!(error instanceof UserError)) throw error;
      first ??= error;
    }
  }
  if (first !== undefined) throw first;
}

const WANDB = { data: { viewer: { entity: 'e' }, model: { bucket: null }, upsertBucket: { bucket: { id: 'i', name: 'n', historyLineCount: 0, project: { name: 'p', entity: { name: 'e' } } } } }, errors: [{ message: 'm' }] };

async function talkToWandb({ status, body }: { status: number; body: unknown }): Promise<void> {
  const client = new WandbClient('http://wandb.invalid', 'k'.repeat(40), undefined, 1500);
  await withAnswers(() => ({ status, body }), () => settled([() => client.graphql('{}', {}), () => client.fileStream({ entity: 'e', project: 'p', id: 'i' }, {})]));
}

// ---- all ------------------------------------------------------------------------------------------------------------------------------

export const PARSERS: readonly Parser[] = [
  parser('rows: JSON lines', fc.array(fc.oneof(...ROWS.map(hostileJson)), { minLength: 1, maxLength: 4 }).map((lines) => new Uint8Array(Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')])))), (bytes) => readRows('rows.jsonl', bytes)),
  parser('rows: a JSON array', hostileJson(ROWS), (bytes) => readRows('rows.json', bytes)),
  parser('rows: Parquet', fc.oneof(...parquets.map((name) => hostileBytes(file(`test/golden/rows/${name}.parquet`)))), (bytes) => readRows('rows.parquet', bytes)),
  parser('config.json', fc.oneof(...BASES.map((base) => hostileJson(json(`${base}/config.json`)))), describeModel),
  ...TEXTS.map((name) => {
    const input = BASES.map((base) => fc.tuple(fc.constant(base), name.endsWith('.json') ? hostileJson(json(`${base}/${name}`)) : hostileText(Buffer.from(file(`${base}/${name}`)).toString())));
    return parser(`a model folder: ${name}`, fc.oneof(...input), ([base, bytes]) => useFolder(base, name, bytes), 0.2);
  }),
  parser('chat templates', hostileText(Buffer.from(file('node/base-medgemma/chat_template.jinja')).toString()), async (bytes) => {
    new ChatTemplate(new TextDecoder().decode(bytes), { bos_token: '<bos>' }, 'chat_template.jinja').render(conversation.messages, { addGenerationPrompt: true });
  }),
  parser('safetensors', fc.oneof(hostileBytes(tensors, 400), hostileBytes(tensors)), readTensors),
  parser('safetensors headers', hostileJson(JSON.parse(new TextDecoder().decode(tensors.subarray(8, 8 + tensors[0]! + 256 * tensors[1]!)))).map((header) => {
    const bytes = new Uint8Array(8 + header.length + 256);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
    bytes.set(header, 8);
    return bytes;
  }), readTensors),
  parser('adapter_config.json', hostileJson(LORA), (bytes) => useAdapter(bytes, adapterTensors)),
  parser('adapter weights', hostileBytes(adapterTensors, 300), (bytes) => useAdapter(new TextEncoder().encode(JSON.stringify(LORA)), bytes)),
  parser('weights index', hostileJson({ metadata: { total_size: 1 }, weight_map: { 'model.layers.0.self_attn.q_proj.weight': 'a.safetensors' } }), async (bytes) => {
    await openModelFolder(platformOf({ 'base/config.json': file('node/base/config.json'), 'base/model.safetensors.index.json': bytes, 'base/a.safetensors': tensors }), 'base', namingOf);
  }),
  parser('NIfTI', hostileBytes(nifti, 352), (bytes) => readVolume('v.nii', bytes)),
  parser('NRRD', hostileBytes(rawVolumes.nrrd, 220), (bytes) => readVolume('v.nrrd', bytes)),
  parser('NRRD in gzip', hostileBytes(rawVolumes.packed, 220), (bytes) => readVolume('v.nrrd', bytes)),
  ...TIFF_STACKS.map((name) =>
    parser(`TIFF stack: ${name}`, hostileBytes(tiffStack(name), 300), (bytes) => readVolume('v.tif', bytes), 1 / TIFF_STACKS.length),
  ),
  parser('MetaImage', hostileBytes(rawVolumes.mha, 300), (bytes) => readVolume('v.mha', bytes)),
  parser('NIfTI in gzip', hostileBytes(nifti, 352).map((bytes) => new Uint8Array(gzipSync(bytes, { level: 1 }))), (bytes) => readVolume('v.nii.gz', bytes)),
  parser('gzip', hostileBytes(new Uint8Array(Buffer.concat([gzipSync(nifti.subarray(0, 900)), gzipSync('second')]))), async (bytes) => {
    for await (const chunk of fileChunks(platformOf({ 'a.gz': bytes }), 'a.gz')) void chunk;
  }),
  ...pictures.map(([name, bytes]) => parser(`pictures: ${name}`, hostileBytes(bytes), (changed) => decoded(changed, `a picture (${name})`))),
  parser('plans', hostileJson(PLAN), readPlan),
  parser('task lists', hostileJson(LIST), async (bytes) => void (await readTaskList(platformOf({ 'list.json': bytes }), 'list.json'))),
  parser('prepared manifests', hostileJson(MANIFEST), async (bytes) => {
    const set = await PreparedSet.open(platformOf({ 'p/manifest.json': bytes, 'p/train-00000.parquet': file('test/golden/rows/mixed.parquet') }), 'p');
    if (set.rows('train') > 0) await set.row('train', 0);
  }),
  parser('rows of answers', hostileJson(ANSWER), async (bytes) => void scoreRow(readRow(new TextDecoder().decode(bytes), 0, 'samples.jsonl:1', 'D_BoxSize_Task01_Axial'), 'last' as never)),
  parser('run states', hostileJson(STATE), async (bytes) => void (await readRunState(platformOf({ 'c/vernier_state.json': bytes }), 'c'))),
  parser('recipes', hostileText(RECIPE), async (bytes) => void parseFor(trainProgram, { base_model_hf: 'x' }, readRecipe(new TextDecoder().decode(bytes), 'r.yaml'), {})),
  parser('hub answers', hostileValue(HUB) as fc.Arbitrary<typeof HUB>, async (answers) => {
    if (typeof answers === 'object' && answers !== null) await talkToHub(answers);
  }),
  parser('W&B answers', fc.record({ status: fc.constantFrom(200, 200, 200, 204, 302, 400, 401, 404, 429, 500), body: hostileValue(WANDB) }), talkToWandb),
  ...DICOM_PARSERS,
  ...PICTURE_PARSERS,
  ...RUN_PARSERS,
];
