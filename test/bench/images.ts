/**
 * Pictures a second from a real volume, ours against the reference's own loading path (reference_images.py), in one run on one machine:
 * `npm run bench -- images`. Both make the same pictures, which is checked. VERNIER_DATA_DIR names the folder with Colin27 in it (a whole head of 181×217×181);
 * without it the small embedded volume is taken, whose ratio says little. VERNIER_PYTHON names a Python with nibabel, numpy and Pillow.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { nodePlatform } from '../../node/platform.ts';
import { renderSlice, VolumeCache } from '../../src/data/medvision/slices.ts';
import type { MedvisionSample } from '../../src/data/medvision/sample.ts';
import type { SliceDim } from '../../src/data/nifti.ts';
import { joinPath } from '../../src/platform.ts';

/** The reference takes some half a second each. */
const REFERENCE_SAMPLES = 12;
const TARGET = 20;

interface Place {
  axis: SliceDim;
  index: number;
}

function findVolume(root: string): { dataDir: string; file: string; isWhole: boolean } {
  const whole = process.env['VERNIER_DATA_DIR'];
  const file = 'Datasets/Colin27/Images/c02-head-1mm_T1w.nii.gz';
  if (whole !== undefined && existsSync(join(whole, 'Colin27', file))) return { dataDir: join(whole, 'Colin27'), file, isWhole: true };
  return { dataDir: join(root, 'node/sample'), file: 'Datasets/Colin27Mini/Images/k02-bet-25mm_T1w.nii.gz', isWhole: false };
}

/** Every slice of the volume, plane by plane, as a plan lists them. */
function places(shape: readonly number[]): Place[] {
  return ([0, 1, 2] as const).flatMap((axis) => Array.from({ length: shape[axis] ?? 0 }, (_, index) => ({ axis, index })));
}

/** Seconds and checksum of the pictures of `chosen`, the volume opened anew; with `png`, each is also compressed. */
async function ours(dataDir: string, file: string, chosen: readonly Place[], png: boolean): Promise<{ seconds: number; sha256: string }> {
  const digest = createHash('sha256');
  const startedAt = performance.now();
  const volumes = new VolumeCache(nodePlatform, dataDir);
  const { shape } = await volumes.header(file);
  for (const { axis, index } of chosen) {
    const [height = 0, width = 0] = shape.filter((_, at) => at !== axis);
    const sample = { imageFile: file, sliceDim: axis, sliceIdx: index, height, width } as MedvisionSample; // what a picture needs of one
    const picture = await renderSlice(await volumes.open(file), sample);
    digest.update(picture.data);
    if (png) await nodePlatform.encodePng(picture.data, picture.width, picture.height, 3);
  }
  return { seconds: (performance.now() - startedAt) / 1000, sha256: digest.digest('hex') };
}

function reference(script: string, dataDir: string, file: string, chosen: readonly Place[]): { seconds: number; sha256: string } | string {
  const python = process.env['VERNIER_PYTHON'];
  if (python === undefined) return 'VERNIER_PYTHON is not set; name a Python with nibabel, numpy and Pillow to measure the reference beside this.';
  const dir = mkdtempSync(join(tmpdir(), 'vernier-bench-'));
  try {
    const list = join(dir, 'samples.json');
    writeFileSync(list, JSON.stringify(chosen.map(({ axis, index }) => [joinPath(dataDir, file), axis, index])));
    const { status, stdout, stderr } = spawnSync(python, [script, list], { encoding: 'utf8', env: { ...process.env, OMP_NUM_THREADS: '1' } });
    return status === 0 ? (JSON.parse(stdout) as { seconds: number; sha256: string }) : `the reference failed: ${stderr.trim().split('\n').at(-1) ?? ''}`;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function main(root: string): Promise<number> {
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  const { dataDir, file, isWhole } = findVolume(root);
  if (!isWhole) say('Colin27 is not there (VERNIER_DATA_DIR should name the folder that holds it); the small embedded volume is measured instead.');
  const { shape } = await new VolumeCache(nodePlatform, dataDir).header(file);
  const all = places(shape);
  const few = Array.from({ length: REFERENCE_SAMPLES }, (_, i) => all[Math.floor(((i + 0.5) * all.length) / REFERENCE_SAMPLES)] ?? { axis: 0, index: 0 } as const);
  say(`${file}, ${shape.join('×')}, every slice of the three planes (${all.length})`);
  await ours(dataDir, file, few, true); // sharp and the code are loaded and warm, as in a run of thousands
  const plain = await ours(dataDir, file, all, false);
  const packed = await ours(dataDir, file, all, true);
  const rate = (seconds: number, count: number): string => `${(count / seconds).toPrecision(3)} pictures/s`;
  say(`Vernier, one thread, volume opened in the time   ${rate(plain.seconds, all.length)}`);
  say(`Vernier, and packed as PNG                       ${rate(packed.seconds, all.length)}`);
  const theirs = reference(join(root, 'test/bench/reference_images.py'), dataDir, file, few);
  if (typeof theirs === 'string') {
    say(theirs);
    return 0;
  }
  if (theirs.sha256 !== (await ours(dataDir, file, few, false)).sha256) {
    say('The two do not make the same pictures; the figures do not compare.');
    return 1;
  }
  const ratio = plain.seconds > 0 ? (theirs.seconds / few.length) / (plain.seconds / all.length) : Infinity;
  say(`the reference (nibabel, float64, twice a sample) ${rate(theirs.seconds, few.length)} over ${few.length} samples, the same pictures`);
  say(`ratio ${ratio.toFixed(0)}${isWhole ? `, target ${TARGET}: ${ratio >= TARGET ? 'reached' : 'not reached'}` : ''}`);
  return isWhole && ratio < TARGET ? 1 : 0;
}

process.exit(await main(process.argv[2] ?? '.'));
