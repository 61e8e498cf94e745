/**
 * What heartbeats, limits and checks cost of a quick start. Outside of CI.
 *   node test/faults/costs.mjs                     here: each of them alone, how often a quick start needs it, and where its profile finds checks
 *   node test/faults/costs.mjs OTHER PAIRS STEPS   beside it, quick starts of another, built checkout, in turns: CPU seconds and seconds of each
 * CPU seconds are those of all threads, the software GPU's among them.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { buildProgram } from '../buildProgram.mjs';
import { ensureBuilt } from '../../node/scripts/steps.mjs';

const [other, pairs = '4', asked = '24'] = process.argv.slice(2);
/** Alone, a whole quick start. */
const steps = other === undefined ? '240' : asked;
const root = fileURLToPath(new URL('../..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'vernier-costs-'));
const built = fileURLToPath(new URL('../../dist/costs', import.meta.url));
const probe = join(root, 'test/faults/costsProbe.mjs');

function quickStart(checkout, flags = []) {
  const told = join(scratch, 'told.json');
  const words = ['--import', probe, ...flags, join(checkout, 'dist/quickstart.js'), '--steps', steps, '--out', join(scratch, 'out')];
  const { status, stderr } = spawnSync(process.execPath, words, { cwd: checkout, encoding: 'utf8', env: { ...process.env, VERNIER_COSTS: told } });
  rmSync(join(scratch, 'out'), { recursive: true, force: true });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(readFileSync(told, 'utf8'));
}

/** Files of locks, limits and checks. What is native (reading a file, parsing) counts for whoever called it. */
const WATCHED = /node\/locks\/|timeLimit\.ts|io\/parseJson\.ts|track\/(secrets|printable|localPaths|outgoing)\.ts|io\/(foreignFiles|heldPlatform|temporaryNames|textFile)\.ts|node\/(signals|offline)\.ts|run\/outputFolder\.ts|pixelGate\.ts/;

/** Milliseconds of the main thread by source file, as the bundle's comments name them. */
function profiled() {
  const folder = join(scratch, 'profile');
  const { wall } = quickStart(root, ['--cpu-prof', '--cpu-prof-interval', '500', '--cpu-prof-dir', folder]);
  const regions = new Map();
  const sourceOf = ({ url, lineNumber }) => {
    if (!/\/dist\//.test(url)) return undefined;
    if (!regions.has(url)) {
      let current = '';
      regions.set(url, readFileSync(new URL(url), 'utf8').split('\n').map((line) => (current = /^\/\/#region (.+)$|^\/\/ ((?:src|node)\/.+\.ts)$/.exec(line)?.slice(1).find(Boolean) ?? current)));
    }
    return regions.get(url)[lineNumber];
  };
  const times = new Map();
  for (const name of readdirSync(folder)) {
    const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    const byId = new Map(nodes.map((node) => [node.id, node]));
    for (const { id, children = [] } of nodes) for (const child of children) byId.get(child).parent = id;
    samples.forEach((sample, i) => {
      let node = byId.get(sample);
      let source;
      while (node !== undefined && (source = sourceOf(node.callFrame)) === undefined) node = byId.get(node.parent);
      if (source !== undefined) times.set(source, (times.get(source) ?? 0) + timeDeltas[i] / 1000);
    });
  }
  return { wall, times };
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

try {
  ensureBuilt(['node']);
  if (other !== undefined) {
    const runs = { here: [], other: [] };
    for (let i = 0; i < Number(pairs); i++) {
      for (const which of i % 2 === 0 ? ['other', 'here'] : ['here', 'other']) {
        const run = quickStart(which === 'here' ? root : other);
        runs[which].push(run);
        console.log(`${which}: ${run.cpu.toFixed(2)} CPU s, ${run.wall.toFixed(1)} s`);
      }
    }
    for (const [which, all] of Object.entries(runs)) console.log(`${which}: CPU s mean ${mean(all.map(({ cpu }) => cpu)).toFixed(2)}, median ${median(all.map(({ cpu }) => cpu)).toFixed(2)}, least ${Math.min(...all.map(({ cpu }) => cpu)).toFixed(2)}`);
  } else {
    const program = await buildProgram(new URL('costs.ts', import.meta.url), built);
    const { stdout } = spawnSync(process.execPath, [program], { encoding: 'utf8' });
    const { lock, thread, beat, limit } = JSON.parse(stdout);
    const { limits, cpu, wall } = quickStart(root);
    const beats = Math.ceil(wall / 5);
    console.log(`a quick start of ${steps} steps: ${cpu.toFixed(2)} CPU s, ${wall.toFixed(1)} s; ${limits} limits of time`);
    console.log(`each: a lock ${(lock * 1000).toFixed(2)} ms, its thread ${(thread * 1000).toFixed(1)} ms, a beat ${(beat * 1e6).toFixed(0)} µs, a limit ${(limit * 1e6).toFixed(0)} µs of CPU`);
    const sum = lock + thread + beats * beat + limits * limit;
    console.log(`a lock with ${beats} beats and ${limits} limits: ${(sum * 1000).toFixed(1)} ms of CPU, ${((100 * sum) / cpu).toFixed(3)} % of ${cpu.toFixed(2)} s`);
    const { times, wall: whole } = profiled();
    const watched = [...times].filter(([source]) => WATCHED.test(source)).sort((a, b) => b[1] - a[1]);
    const found = watched.reduce((total, [, ms]) => total + ms, 0);
    console.log(`main thread, by profile: ${found.toFixed(1)} ms in locks, limits and checks, ${((found / whole) * 0.1).toFixed(3)} % of ${whole.toFixed(1)} s`);
    for (const [source, ms] of watched) console.log(`  ${ms.toFixed(1)} ms ${source}`);
  }
} finally {
  for (const folder of [scratch, built]) rmSync(folder, { recursive: true, force: true });
}
