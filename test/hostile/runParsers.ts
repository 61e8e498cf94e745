/** What runs leave and others may have changed (checkpoints, logs, folders of answers, locks), what the environment holds, and what models and servers say as mere text. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import fc from 'fast-check';
import { EvaluationFolder } from '../../src/run/evaluate/folder.ts';
import { ownerInWords, parseOwner } from '../../src/io/locks/owner.ts';
import { ownCertificates } from '../../node/network/certificates.ts';
import { credentials, proxyFor, shown } from '../../src/io/network/proxies.ts';
import { parseAnswer, referenceFiltered } from '../../src/data/medvision/answers.ts';
import { LandmarkLines } from '../../src/data/medvision/landmarks.ts';
import { sha256Hex } from '../../src/data/prepared/identity.ts';
import { rowFromColumns } from '../../src/data/prepared/row.ts';
import { Notes } from '../../src/data/prepared/unfinished.ts';
import { hubSettings, hubSettingsFromEnv, parseHubId } from '../../src/hub/settings.ts';
import { requestJson } from '../../src/hub/request.ts';
import { withJsonMember } from '../../src/io/jsonText.ts';
import { parseLoraConfig } from '../../src/io/peftConfig.ts';
import { modulesFromParameters, resolveAdapter } from '../../src/io/peftTargets.ts';
import { writeSafetensors } from '../../src/io/safetensors.ts';
import { UserError } from '../../src/platform.ts';
import { JsonlTracker } from '../../src/track/jsonl.ts';
import { WandbClient, WandbUnavailable } from '../../src/track/wandb/client.ts';
import type { Row } from '../../src/track/tracker.ts';
import { wandbSettings } from '../../src/track/wandb/settings.ts';
import { formatTrainerState, readTrainerState, trainerState } from '../../src/train/checkpointFolder.ts';
import { checksummed, CHECKSUMS } from '../../src/train/checksums.ts';
import { readMomentsFile } from '../../src/train/momentsFile.ts';
import type { ParameterArena } from '../../src/train/parameterArena.ts';
import { openCheckpoint } from '../../src/train/resume.ts';
import { memoryPlatform } from '../io/memoryPlatform.ts';
import { hostileBytes, hostileJson, hostileText, hostileValue } from './cases.ts';
import { parser, platformOf } from './parser.ts';

const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
/** Whatever it is, it is read; the sweep wants to see that something was refused. */
const refuseIf = (isRefused: boolean): void => {
  if (isRefused) throw new UserError('nothing came of it');
};

// ---- checkpoints and logs -------------------------------------------------------------------------------------------------------------

const ROWS = [{ step: 1, epoch: 0.5, loss: 2, grad_norm: 1, learning_rate: 0.1 }, { step: 2, epoch: 1, eval_loss: 1.5 }];
const TRAINER = JSON.parse(formatTrainerState(trainerState({ global_step: 2, epoch: 1, log_history: ROWS, best_metric: 1.5, best_global_step: 2, best_model_checkpoint: 'out/checkpoint-2' }))) as unknown;
const LOG = `${JSON.stringify({ event: 'start', time: 't', name: 'n', config: { quantization: 'nf4' } })}\n${ROWS.map((row) => JSON.stringify({ ...row, elapsed_seconds: 1 })).join('\n')}\n{"event":"fin`;

const memory = memoryPlatform();
const sums = checksummed(memory, 'c');
await sums.platform.writeFile('c/trainer_state.json', bytesOf(TRAINER));
await sums.platform.writeFile('c/vernier_state.json', bytesOf({ format: 1, world_size: 1, step: 2, optimizer: {}, identity: {}, settings: {}, pending: {}, best: null, trackers: {} }));
await sums.platform.writeFile('c/empty', new Uint8Array(0));
await sums.seal();
const CHECKPOINT = Object.fromEntries(memory.files);
const names = ['exp_avg.w', 'exp_avg_sq.w'];
await writeSafetensors(memory, 'moments', names.map((name) => ({ name, dtype: 'F32', shape: [2, 3], data: new Uint8Array(24) })), { format: 'pt' });
const arena = { parameters: new Map([['w', {}]]), writeMoments: () => undefined } as unknown as ParameterArena;

/** As a run that goes on: its log is told what the state holds. */
async function goOnWithLog(state: Uint8Array, log: Uint8Array): Promise<void> {
  const platform = platformOf({ 'c/trainer_state.json': state, 'c/log.jsonl': log });
  const { log_history: history } = await readTrainerState(platform, 'c');
  const tracker = new JsonlTracker(platform, 'c/log.jsonl', () => 0);
  await tracker.start({ name: 'n', totalSteps: 4, firstStep: 2, facts: {}, config: {}, resumed: { state: {}, history: history as Row[] } });
}

// ---- prepared rows, answers -----------------------------------------------------------------------------------------------------------

const COLUMNS = {
  image: null, task_type: 'BoxSize', task: 't', plan_split: 'train', dataset: 'D', case_id: 'c', image_file: 'a.nii', mask_file: null, landmark_file: null, slice_dim: 2,
  slice_idx: 3, height: 30, width: 40, loader_index: 0, annotation: '{"kind":"box"}', prompt: 'p', target: '1', values: [0.1, 0.2], length_estimate: 40, more: '{"modality":"CT"}',
};
const NOTED = [{ settings: 'hash' }, { file: 'train-00000.parquet', rows: 3, bytes: 5, sha256: await sha256Hex(new Uint8Array(5)) }, { file: 'train-00001.parquet', rows: 1, bytes: 0, sha256: '1'.repeat(64) }];
const SAMPLE = {
  taskType: 'TumorLesionSize', task: 't', dataset: 'D', imageFile: 'a.nii', landmarkFile: 'l.json', sliceDim: 2, sliceIdx: 3, annotation: { kind: 'ellipse', label: 1, labelName: 'x', major: 1, minor: 1, unit: 'mm' },
} as never;
const LANDMARKS = { slice_landmarks_z: [{ slice_idx: 3, landmarks: [{ P1: [1, 2, 3], P2: [2, 3, 3], P3: [1, 1, 3], P4: [4, 4, 3] }] }, { slice_idx: 4, landmarks: { P1: [1, 2, 3] } }] };
const ANSWERS = 'The box is <answer>[0.12, 1,234.5, -3.5 × 10^2, 35-37]</answer> (landmarks 1 and 2), ±0.5 or 32x16.\n1. 35,2 mm\n2) .5 to 7';
const identity = { model: 'm', seed: 1 } as never;
const ANSWER = { doc_id: 3, doc: { taskType: 'Detection', dataset_name: 'D', label: 1, slice_dim: 2 }, target: '[0.1, 0.2]', resps: [['0.1, 0.2']], task: 'D_BoxSize_Task01_Axial', prompt: 'p' };

// ---- patterns, texts, environment, servers --------------------------------------------------------------------------------------------

const MODULES = modulesFromParameters([['model.layers.0.self_attn.q_proj.weight', [4, 4]], ['model.layers.11.mlp.v_proj.weight', [4, 4]], ['lm_head.weight', [8, 4]]]);
const PATTERNS = ['model\\.layers\\.(0|1+)\\.(self_attn|mlp)\\.[qv]_proj', '(?P<x>layers)\\.\\d{1,2}.*(?<!k)_proj', '^(?:.*\\.)?lm_head$', '(?i)MODEL.*\\w+'];
const pieces = ['(', ')', '(?:', '(?P<a>', '(?P=a)', '(?i)', '(?<=', '(?!', '[', ']', '[^', '\\', '\\d', '\\b', '\\1', '{2,', '}', '{1000}', '*', '+', '?', '|', '^', '$', '.', 'a', 'layers', '0', '\\N{DIGIT ONE}', '\\x', '\\u12'];
const pattern = fc.oneof(fc.oneof(...PATTERNS.map(hostileText)).map(textOf), fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join('')));

const URLS = ['http://user:pa%20ss@proxy.example:3128', 'socks5://proxy.example', '[::1]:80', 'http://[fe80::1%25eth0]/'];
const EXEMPT = 'localhost, .example.org,*.a.b 10.0.0.0/8 fd00::/8 [::1]:443 h:80 *';
const HUB_BODY = { sha: 'c'.repeat(40), name: 'me', error: 'it is gated' };
const scratch = mkdtempSync(join(tmpdir(), 'vernier-hostile-'));
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));

/** Every answer is this one, whatever was asked. */
async function withBody<T>(body: Uint8Array, status: number, headers: Record<string, string>, work: () => Promise<T>): Promise<T> {
  const { fetch } = globalThis;
  globalThis.fetch = (() => Promise.resolve(new Response(status === 204 ? null : Uint8Array.from(body), { status, headers }))) as typeof globalThis.fetch;
  try {
    return await work();
  } finally {
    globalThis.fetch = fetch;
  }
}

const header = fc.constantFrom('0', '1e9', '-1', 'Thu, 01 Jan 1970 00:00:00 GMT', 'bytes 0-9/5', 'x'.repeat(5000), 'NaN', '', '<', 'W/"a"', '\u00ff');
const answers = fc.record({
  body: hostileJson(HUB_BODY), status: fc.constantFrom(200, 200, 204, 301, 400, 401, 403, 404, 416, 429, 500, 503),
  headers: fc.dictionary(fc.constantFrom('retry-after', 'x-error-code', 'x-error-message', 'location', 'content-type', 'etag', 'content-length'), header, { maxKeys: 3 }),
});

export const RUN_PARSERS = [
  parser('checkpoints: checksums.json', hostileJson(JSON.parse(textOf(CHECKPOINT[`c/${CHECKSUMS}`]!))), async (bytes) => {
    await openCheckpoint(platformOf({ ...CHECKPOINT, [`c/${CHECKSUMS}`]: bytes }), 'c');
  }),
  parser('checkpoints: trainer_state.json and the log', hostileJson(TRAINER), (state) => goOnWithLog(state, bytesOf(LOG))),
  parser('trainer_log.jsonl', hostileText(LOG), async (log) => {
    await goOnWithLog(bytesOf(TRAINER), log);
    refuseIf(!textOf(log).startsWith('{"event":"start"'));
  }),
  parser('checkpoints: optimizer.safetensors', hostileBytes(memory.files.get('moments')!, 250), (bytes) => readMomentsFile(platformOf({ 'o.safetensors': bytes }), 'o.safetensors', arena)),
  parser('prepared rows', hostileValue(COLUMNS), (found) => {
    refuseIf(typeof found !== 'object' || found === null);
    rowFromColumns(found as Record<string, unknown>, 'train-00000.parquet, row 3');
    return Promise.resolve();
  }),
  parser('notes of unfinished preparing', fc.array(fc.oneof(...NOTED.map(hostileJson)), { minLength: 1, maxLength: 4 }), async (lines) => {
    const notes = new Uint8Array(Buffer.concat([bytesOf(`${JSON.stringify(NOTED[0])}\n`), ...lines.flatMap((one) => [one, Buffer.from('\n')])]));
    const { kept } = await Notes.open(platformOf({ 'p/unfinished.jsonl': notes, 'p/train-00000.parquet': new Uint8Array(5) }), 'p', 'hash', undefined);
    refuseIf(kept.size === 0);
  }),
  parser('folders of answers: evaluation.json', hostileJson({ format: 1, identity }), async (bytes) => {
    const folder = new EvaluationFolder(platformOf({ 'e/evaluation.json': bytes, 'e/samples.jsonl': bytesOf(`${JSON.stringify(ANSWER)}\n`) }), 'e');
    await folder.check(false);
    await folder.begin(identity, false);
  }),
  parser('folders of answers: samples.jsonl', hostileJson(ANSWER), async (bytes) => {
    const platform = platformOf({ 'e/evaluation.json': bytesOf({ format: 1, identity }), 'e/samples.jsonl': new Uint8Array(Buffer.concat([bytes, Buffer.from('\n')])) });
    await new EvaluationFolder(platform, 'e').begin(identity, false);
  }),
  parser('landmark files', hostileJson(LANDMARKS), async (bytes) => void (await new LandmarkLines(platformOf({ 'd/l.json': bytes }), 'd').of(SAMPLE))),
  parser('what a model answers', hostileText(ANSWERS), (bytes) => {
    const text = textOf(bytes);
    for (const k of [1, 2, 4]) for (const mode of ['robust', 'reference'] as const) parseAnswer(text, k, mode);
    refuseIf(referenceFiltered(text, 12) === '');
    return Promise.resolve();
  }),
  parser('target_modules and its kin', fc.tuple(pattern, pattern, fc.nat(4)), ([one, other, where]) => {
    const given = [
      { target_modules: one }, { target_modules: ['q_proj'], exclude_modules: one }, { target_modules: ['q_proj', one], layers_to_transform: [0], layers_pattern: [other] },
      { target_modules: ['q_proj'], rank_pattern: { [one]: 4 }, alpha_pattern: { [other]: 2 } }, { target_modules: [one, other], modules_to_save: [one] },
    ][where]!;
    resolveAdapter(parseLoraConfig({ peft_type: 'LORA', r: 2, lora_alpha: 4, ...given }, 'adapter_config.json'), MODULES);
    return Promise.resolve();
  }),
  parser('members set in JSON', hostileJson({ tie_word_embeddings: true, text_config: { 'a\\"b': '{', tie_word_embeddings: true }, n: 1e6 }), (bytes) => {
    const text = textOf(bytes);
    let isObject = false;
    try {
      const value: unknown = JSON.parse(text);
      isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    } catch {
      // Not asked then.
    }
    refuseIf(!isObject);
    for (const path of [['tie_word_embeddings'], ['text_config', 'tie_word_embeddings']]) JSON.parse(withJsonMember(text, path, false));
    return Promise.resolve();
  }),
  parser('locks', hostileJson({ id: 'a', host: 'h', pid: 7, boot: 'b', namespaces: 'n', born: '1', program: 'train', started: 's' }), (bytes) => {
    const words = ownerInWords(parseOwner(textOf(bytes)), { host: 'h', pid: 1 });
    refuseIf(words.length > 300 || words.startsWith('another process'));
    return Promise.resolve();
  }),
  parser('proxies and NO_PROXY', fc.tuple(fc.oneof(...URLS.map(hostileText)).map(textOf), hostileText(EXEMPT).map(textOf)), ([address, exempt]) => {
    const env = (name: string): string | undefined => ({ HTTPS_PROXY: address, NO_PROXY: exempt })[name];
    const hosts = ['https://huggingface.co/a', 'https://10.1.2.3:8443/', 'https://[fd00::1]/'];
    for (const proxy of hosts.map((url) => proxyFor(new URL(url), env))) if (proxy !== undefined) void [shown(proxy), credentials(proxy)];
    return Promise.resolve();
  }),
  parser('certificates', hostileText(`${rootCertificates[0]!}\n${rootCertificates[1]!}\n`), async (bytes) => {
    const path = join(scratch, 'certificates.pem');
    writeFileSync(path, bytes);
    await ownCertificates((name) => (name === 'SSL_CERT_FILE' ? path : undefined));
  }),
  parser('settings of W&B: netrc, variables', fc.tuple(hostileText('machine api.wandb.ai\n  login user\n  password 0123456789abcdef0123456789abcdef01234567\n'), pattern), async ([netrc, text]) => {
    const env = { NETRC: 'home/.netrc', WANDB_MODE: 'online', WANDB_RUN_ID: text, WANDB_TAGS: text, WANDB_BASE_URL: 'https://api.wandb.ai' };
    await wandbSettings(platformOf({ 'home/.netrc': netrc }, env), { wandb_tags: [], wandb_mode: null } as never, 'run', 'out');
  }),
  parser('settings of the hub: token file, variables', fc.tuple(hostileText('hf_0123456789abcdefghij\n'), fc.oneof(fc.constant('https://hub.example'), hostileText('https://hub.example:8443/a').map(textOf)), fc.oneof(fc.constant('org/name@main'), hostileText('org/name@main').map(textOf))), async ([token, address, id]) => {
    await hubSettingsFromEnv(platformOf({ 'home/token': token }, { HF_HOME: 'home', HF_TOKEN_PATH: 'home/token', HF_ENDPOINT: address, HOME: 'home' }));
    refuseIf(parseHubId(id) === undefined);
  }),
  parser('bodies and headers of the hub', answers, async ({ body, status, headers }) => {
    const settings = hubSettings({ endpoint: 'http://hub.invalid', token: 'hf_0123456789abcdefghij', cacheDir: 'cache', times: { attempts: 1, backoffMs: 0, maxWaitMs: 0, stallMs: 1500 } });
    await withBody(body, status, headers, () => requestJson(settings, '/api/models/org/name', { action: 'look up org/name' }));
  }),
  parser('bodies and headers of W&B', answers, async ({ body, status, headers }) => {
    const client = new WandbClient('http://wandb.invalid', 'k'.repeat(40), undefined, 1500);
    try {
      await withBody(body, status, headers, () => client.graphql('{}', {}));
    } catch (error) {
      if (error instanceof WandbUnavailable) refuseIf(true);
      throw error;
    }
  }),
];
