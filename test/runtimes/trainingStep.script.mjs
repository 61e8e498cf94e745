/**
 * For trainingStep.test.ts: one optimizer step of a golden model through the public API alone (dist/vernier.js), two micro-batches of one row
 * each. `args`: `model` and `adapter` folders, `cases` (safetensors files of one Example each), `seed`, `lr`, `isUnbundled` (src/index.ts instead of the build).
 * Returns the loss before and after it.
 */

/** Reads through the host, and nothing else: a training step writes no file and decodes no image. */
function readingPlatform({ runtime, gpu, readFile }, vernier) {
  const files = new Map();
  const read = (path) => {
    if (!files.has(path)) files.set(path, readFile(path));
    return files.get(path);
  };
  const isReadable = (path) => read(path).then(() => true, () => false);
  const no = (what) => () => Promise.reject(new Error(`${what} is not needed for a training step`));
  return {
    name: runtime,
    gpu: async () => gpu,
    env: () => undefined,
    exists: isReadable,
    isDirectory: async (path) => !(await isReadable(path)),
    readFile: read,
    async openFile(path) {
      const bytes = await read(path);
      return {
        path,
        size: bytes.length,
        async read(offset, length) {
          if (offset + length > bytes.length) throw new vernier.UserError(`${path}: too short`);
          return bytes.slice(offset, offset + length);
        },
        close: async () => undefined,
      };
    },
    listDir: no('listDir'),
    makeDir: no('makeDir'),
    writeFile: no('writeFile'),
    createFile: no('createFile'),
    appendFile: no('appendFile'),
    rename: no('rename'),
    remove: no('remove'),
    decodeImage: no('decodeImage'),
    encodePng: no('encodePng'),
  };
}

async function readExample(vernier, platform, path) {
  const file = await vernier.openSafetensors(platform, path);
  const bytes = async (name) => {
    const raw = await file.readRaw(name);
    return raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength);
  };
  const whole = async (name) => new Int32Array(await bytes(name));
  const grids = await whole('image_grids');
  const imageGrids = [];
  for (let i = 0; i < grids.length; i += 3) imageGrids.push([...grids.subarray(i, i + 3)]);
  const example = {
    inputIds: await whole('input_ids'),
    labels: await whole('labels'),
    positionIds: await whole('position_ids'),
    pixelValues: new Float32Array(await bytes('pixel_values')),
    imageGrids,
  };
  await file.close();
  return example;
}

export default async function trainingStep(host) {
  const { model, adapter, cases, lr, isUnbundled } = host.args;
  const vernier = isUnbundled ? await import('../../src/index.ts') : await host.library();
  const platform = readingPlatform(host, vernier);
  const device = await vernier.Device.create(await platform.gpu());
  const session = await vernier.openSession(platform, device, { baseModel: model, initAdapter: adapter });
  const examples = [];
  for (const path of cases) examples.push(await readExample(vernier, platform, path));
  const scale = 1 / examples.reduce((sum, example) => sum + vernier.countLabels(example), 0);
  const optimizer = new vernier.AdamW(device, session.arena, {});

  const pass = async (grad) => {
    for (const [step, example] of examples.entries()) {
      await vernier.runMicroBatch(device, session.model, [example], {
        grad,
        training: grad,
        checkpointing: true,
        random: { seed: 0, step },
        lossScale: scale,
        logScale: scale,
        lossSum: optimizer.lossSum,
      });
    }
  };
  session.arena.zeroGradients();
  await pass(true);
  optimizer.step(lr);
  const [first] = await optimizer.readLog(1, 1);
  await pass(false);
  const [after] = await device.readF32(optimizer.lossSum);
  const { f16, subgroups, description } = device.capabilities;
  optimizer.release();
  session.close();
  await device.finish();
  device.destroy();
  return { loss: first.lossSum, gradNorm: first.gradNorm, skipped: first.skipped, lossAfter: after, f16, subgroups, adapter: description };
}
