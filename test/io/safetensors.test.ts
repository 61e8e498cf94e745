import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openSafetensors, toFloat32, writeSafetensors, type Dtype, type TensorEntry } from '../../src/io/safetensors.ts';
import { UserError } from '../../src/platform.ts';
import { goldenAdapters, goldenNames, goldenPath } from './goldenFolder.ts';
import { memoryPlatform } from './memoryPlatform.ts';

const PATH = '/m/model.safetensors';

/** A file with this header, as an object or as text, and `dataBytes` bytes after it. */
async function withHeader(header: unknown, dataBytes: number): Promise<string> {
  const platform = memoryPlatform();
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  platform.files.set(PATH, file);
  return openSafetensors(platform, PATH).then(
    () => 'no error',
    (error: unknown) => (error instanceof Error && error.name === 'UserError' ? error.message : `not a UserError: ${String(error)}`),
  );
}

const oneByte = JSON.stringify({ dtype: 'U8', shape: [1], data_offsets: [0, 1] });
const f32 = (shape: number[], from: number, to: number): unknown => ({ dtype: 'F32', shape, data_offsets: [from, to] });

describe('reading', () => {
  it('reads the header and no more, then ranges', async () => {
    const platform = memoryPlatform();
    const values = Float32Array.from({ length: 1000 }, (_, i) => i / 7);
    await writeSafetensors(platform, PATH, [{ name: 'w', dtype: 'F32', shape: [10, 100], data: new Uint8Array(values.buffer) }]);
    const file = await openSafetensors(platform, PATH);
    expect(platform.bytesRead).toBeLessThan(200);
    expect(file.metadata).toEqual({ format: 'pt' });
    expect(toFloat32(await file.readRaw('w'), 'F32', 'w')).toEqual(values);
    expect(toFloat32(await file.readRange('w', 400, 800), 'F32', 'w')).toEqual(values.subarray(100, 300));
    await expect(file.readRange('w', 3996, 8)).rejects.toThrow(/bytes 3996 to 4004 of w/);
    await expect(file.readRaw('v')).rejects.toThrow(`${PATH} has no tensor v`);
  });

  it('accepts empty tensors, tensors out of order and no tensors', async () => {
    expect(await withHeader({}, 0)).toBe('no error');
    expect(await withHeader({ a: f32([0, 3], 4, 4), b: f32([], 0, 4), c: f32([1], 4, 8) }, 8)).toBe('no error');
  });

  it.each<[string, unknown, number, RegExp]>([
    ['a header longer than the file', { a: f32([1], 0, 4) }, -20, /header claims \d+ bytes/],
    ['text that is no JSON', '{"a":', 0, /not JSON/],
    ['JSON that is no object', '[1]', 0, /not a JSON object/],
    ['a cut file', { a: f32([4], 0, 16) }, 12, /tensor a ends at byte/],
    ['bytes past the last tensor', { a: f32([1], 0, 4) }, 9, /tensors end at byte/],
    ['a hole', { a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12, /4 bytes before tensor b/],
    ['an overlap', { a: f32([2], 0, 8), b: f32([1], 4, 8) }, 8, /tensor b overlaps/],
    ['a shape that does not fit', { a: f32([3], 0, 8) }, 8, /tensor a of shape \[3\] in F32 needs 12 bytes, the file gives it 8/],
    ['a shape whose product overflows', { a: f32([2 ** 40, 2 ** 40], 0, 8) }, 8, /tensor a of shape/],
    ['a negative size', { a: f32([-1], 0, 4) }, 4, /tensor a has shape \[-1\]/],
    ['offsets the wrong way round', { a: f32([1], 4, 0) }, 4, /tensor a has data_offsets/],
    ['an unknown dtype', { a: { dtype: 'F4', shape: [2], data_offsets: [0, 1] } }, 1, /tensor a has dtype "F4", known are BOOL/],
    ['no description', { a: 3 }, 0, /tensor a has no description/],
    ['a name listed twice', `{"a":${oneByte},"\\u0061":${oneByte}}`, 1, /tensor a is listed twice/],
    ['metadata that is no text', { __metadata__: { format: 1 } }, 0, /__metadata__\.format/],
  ])('refuses %s', async (_, header, dataBytes, message) => {
    if (dataBytes >= 0) {
      const text = await withHeader(header, dataBytes);
      expect(text).toContain(PATH);
      expect(text).toMatch(message);
      return;
    }
    const platform = memoryPlatform();
    platform.files.set(PATH, new Uint8Array([200, 0, 0, 0, 0, 0, 0, 0, 123, 125]));
    await expect(openSafetensors(platform, PATH)).rejects.toThrow(message);
  });

  it('refuses missing, empty and random files with a UserError that names them', async () => {
    const platform = memoryPlatform();
    await expect(openSafetensors(platform, PATH)).rejects.toThrow(`${PATH}: no such file`);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
        fc.pre(!(bytes.length === 10 && bytes[8] === 123));
        platform.files.set(PATH, bytes);
        const opening = openSafetensors(platform, PATH);
        await expect(opening).rejects.toThrow(UserError);
        await expect(opening).rejects.toThrow(PATH);
      }),
    );
  });

  it('refuses every truncation of a valid file', async () => {
    const platform = memoryPlatform();
    await writeSafetensors(platform, PATH, [{ name: 'w', dtype: 'U8', shape: [5], data: new Uint8Array(5) }]);
    const whole = platform.files.get(PATH)!;
    for (let length = 0; length < whole.length; length++) {
      platform.files.set(PATH, whole.slice(0, length));
      await expect(openSafetensors(platform, PATH)).rejects.toMatchObject({ name: 'UserError' });
    }
  });
});

describe('writing', () => {
  const dtypes: [Dtype, number][] = [['F32', 4], ['F16', 2], ['BF16', 2], ['U8', 1], ['I64', 8], ['BOOL', 1]];

  it('gives back what was written, whatever the dtypes, shapes and chunks', async () => {
    const tensor = fc.record({
      dtype: fc.constantFrom(...dtypes),
      shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
      chunk: fc.integer({ min: 1, max: 9 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string({ unit: 'binary', minLength: 1, maxLength: 6 }), tensor, { maxKeys: 6 }), async (wanted) => {
        fc.pre(!('__metadata__' in wanted));
        const platform = memoryPlatform();
        const data = new Map<string, Uint8Array>();
        const entries = Object.entries(wanted).map(([name, { dtype, shape, chunk }], i): TensorEntry => {
          const bytes = Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) * dtype[1] }, (_, j) => i * 31 + j);
          data.set(name, bytes);
          async function* chunks(): AsyncIterable<Uint8Array> {
            for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
          }
          return { name, dtype: dtype[0], shape, data: i % 3 === 0 ? bytes : i % 3 === 1 ? async () => bytes : chunks };
        });
        await writeSafetensors(platform, PATH, entries);
        const file = await openSafetensors(platform, PATH);
        expect(file.tensors.size).toBe(entries.length);
        for (const { name, dtype, shape } of entries) {
          expect(file.tensors.get(name)).toMatchObject({ dtype, shape });
          expect(await file.readRaw(name)).toEqual(data.get(name));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('leaves no file when the disk is full, the source fails or gives too little', async () => {
    const platform = memoryPlatform();
    const entry = (data: TensorEntry['data']): TensorEntry[] => [{ name: 'w', dtype: 'U8', shape: [100], data }];
    platform.space = 150;
    await expect(writeSafetensors(platform, PATH, entry(new Uint8Array(100)))).rejects.toMatchObject({ name: 'UserError', message: expect.stringMatching(/no space/) as string });
    platform.space = Infinity;
    const failing = async (): Promise<Uint8Array> => Promise.reject(new Error('device lost'));
    await expect(writeSafetensors(platform, PATH, entry(failing))).rejects.toThrow('device lost');
    await expect(writeSafetensors(platform, PATH, entry(new Uint8Array(99)))).rejects.toThrow(/takes 100 bytes, 99 were given/);
    expect(platform.files.size).toBe(0);
  });
});

describe('golden files', () => {
  const models = goldenNames('models').flatMap((model) =>
    goldenNames('models', model).filter((name) => name.endsWith('.safetensors')).map((name) => goldenPath('models', model, name)),
  );
  const paths = [...models, ...goldenAdapters().map(({ dir }) => `${dir}/adapter_model.safetensors`)];

  it('there are some', () => {
    expect(paths.length).toBeGreaterThan(0);
  });

  it.each(paths)('%s: written again, the file is the same to the byte', async (path) => {
    const platform = memoryPlatform();
    const original = new Uint8Array(readFileSync(path));
    platform.files.set(PATH, original);
    const file = await openSafetensors(platform, PATH);
    const entries = [...file.tensors].map(([name, { dtype, shape }]): TensorEntry => ({ name, dtype, shape, data: () => file.readRaw(name) }));
    await writeSafetensors(platform, '/m/again', entries.reverse(), file.metadata);
    expect(Buffer.compare(platform.files.get('/m/again')!, original)).toBe(0);
  });
});
