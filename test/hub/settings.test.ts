/** Environment variables, hub ids, cache paths and hashes: the small rules that downloads and pushes stand on. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { baseModelNames, hubOrigin } from '../../src/hub/origin.ts';
import { DEFAULT_TIMES, hubSettingsFromEnv, parseHubId } from '../../src/hub/settings.ts';
import { gitBlobId, sha256 } from '../../src/hub/sha256.ts';
import type { Platform } from '../../src/platform.ts';
import { plainFiles } from './plainFiles.ts';

const withEnv = (env: Record<string, string>, files: Record<string, string> = {}): Platform => ({
  ...plainFiles,
  env: (name) => env[name],
  exists: (path) => Promise.resolve(path in files),
  readFile: (path) => Promise.resolve(new TextEncoder().encode(files[path] ?? '')),
});
const settings = (env: Record<string, string>, files: Record<string, string> = {}): ReturnType<typeof hubSettingsFromEnv> => hubSettingsFromEnv(withEnv(env, files));

describe('the environment', () => {
  it.each([
    [{ HOME: '/h' }, '/h/.cache/huggingface/hub'],
    [{ HOME: '/h', XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub'],
    [{ HOME: '/h', HF_HOME: '~/data/.cache' }, '/h/data/.cache/hub'],
    [{ HOME: '/h', HF_HOME: '/m', HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
    [{ HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '${ROOT}/new', ROOT: '/r' }, '/r/new'],
    [{ USERPROFILE: 'C:/Users/a' }, 'C:/Users/a/.cache/huggingface/hub'],
    [{}, undefined],
  ])('%o: the cache is where Python has it', async (env, dir) => {
    expect((await settings(env as Record<string, string>)).cacheDir).toBe(dir);
  });

  it('the token: HF_TOKEN, else the file; never where it is switched off', async () => {
    const file = { '/h/.cache/huggingface/token': 'hf_fromFile\n' };
    expect(await settings({ HOME: '/h' }, file)).toMatchObject({ token: 'hf_fromFile', tokenSource: '/h/.cache/huggingface/token' });
    expect(await settings({ HOME: '/h', HF_TOKEN: ' hf_env ' }, file)).toMatchObject({ token: 'hf_env', tokenSource: 'HF_TOKEN' });
    expect((await settings({ HOME: '/h', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }, file)).token).toBeUndefined();
    expect((await settings({ HF_TOKEN_PATH: '/t' }, { '/t': 'hf_other' })).token).toBe('hf_other');
    const error: unknown = await settings({ HF_TOKEN: 'secretOne\nsecretTwo' }).catch((cause: unknown) => cause);
    expect(String(error)).toMatch(/HF_TOKEN: a hub token is one word/);
    expect(String(error)).not.toContain('secret');
  });

  it('endpoint, offline and time limit', async () => {
    expect(await settings({ HF_ENDPOINT: 'https://hub.example/x/', HF_HUB_OFFLINE: 'yes', HF_HUB_DOWNLOAD_TIMEOUT: '5' })).toMatchObject({
      endpoint: 'https://hub.example/x', isOffline: true, times: { ...DEFAULT_TIMES, stallMs: 5000 },
    });
    expect(await settings({ TRANSFORMERS_OFFLINE: '1' })).toMatchObject({ endpoint: 'https://huggingface.co', isOffline: true });
    await expect(settings({ HF_ENDPOINT: 'hub.example' })).rejects.toThrow(/HF_ENDPOINT: an address such as https:\/\/huggingface\.co was expected/);
    const error: unknown = await settings({ HF_ENDPOINT: 'https://me:passw0rd@hub.example' }).catch((cause: unknown) => cause);
    expect(String(error)).toMatch(/HF_ENDPOINT holds a user name or password/);
    expect(String(error)).not.toContain('passw0rd');
  });
});

describe('names', () => {
  it.each([
    ['Qwen/Qwen2.5-VL-3B-Instruct', { id: 'Qwen/Qwen2.5-VL-3B-Instruct', revision: undefined }],
    ['google/medgemma-4b-it@v1.0', { id: 'google/medgemma-4b-it', revision: 'v1.0' }],
    ['org/name@refs/pr/3', { id: 'org/name', revision: 'refs/pr/3' }],
    ['./Data', undefined], ['../x/y', undefined], ['a/b/c', undefined], ['name', undefined], ['/abs/path', undefined], ['org/na--me', undefined], ['org/name@../x', undefined],
  ])('%s', (text, expected) => {
    expect(parseHubId(text)).toEqual(expected);
  });

  it('a snapshot says where it is from', () => {
    const dir = '/c/hub/models--org--na-me/snapshots/abc';
    expect(hubOrigin(dir)).toEqual({ type: 'model', id: 'org/na-me', commit: 'abc', repoDir: '/c/hub/models--org--na-me' });
    expect(baseModelNames(`${dir}/`)).toEqual({ base_model_name_or_path: 'org/na-me', revision: 'abc' });
    expect(baseModelNames('/models/mine')).toEqual({ base_model_name_or_path: '/models/mine', revision: null });
  });
});

describe('hashes', () => {
  it("our SHA-256 in pieces is Node's, for every way of cutting", () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 31) & 255);
    for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000]) {
      for (const step of [1, 7, 64, 100, 1000]) {
        const hasher = sha256(withEnv({}));
        for (let at = 0; at < length; at += step) hasher.update(bytes.subarray(at, Math.min(length, at + step)));
        expect(hasher.hex()).toBe(createHash('sha256').update(bytes.subarray(0, length)).digest('hex'));
      }
    }
  });

  it("a blob's name is git's", async () => {
    expect(await gitBlobId(new Uint8Array(0))).toBe('e69de29bb2d1d6434b8b29ae775ad8c2e48c5391');
  });
});
