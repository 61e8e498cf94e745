/**
 * How long `import 'vernier'`, `import 'vernier/node'` and `vernier --help` take beside `node -e 0`, as medians of runs in turn.
 * Run: node test/package/times.mjs DIR, a folder where the package is installed, or the repository once it is built; on a machine that does nothing else.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** @param {string} folder @param {number} runs @returns {{import: number, node: number, help: number}} ms */
export function startTimes(folder, runs) {
  const module = (text) => ['--input-type=module', '--eval', text];
  const own = dirname(createRequire(resolve(folder, 'package.json')).resolve('vernier/package.json'));
  const starts = {
    nothing: module('0'),
    import: module("import 'vernier'"),
    node: module("import 'vernier/node'"),
    help: [join(own, 'dist', 'bin', 'vernier.js'), '--help'],
  };
  const times = Object.fromEntries(Object.keys(starts).map((name) => [name, []]));
  for (let i = 0; i < runs; i++) {
    for (const [name, args] of Object.entries(starts)) {
      const startedAt = performance.now();
      const { status } = spawnSync(process.execPath, args, { cwd: folder, stdio: 'ignore' });
      if (status !== 0) throw new Error(`${name} failed`);
      times[name].push(performance.now() - startedAt);
    }
  }
  const median = (name) => times[name].sort((a, b) => a - b)[Math.floor(runs / 2)];
  const beside = (name) => Math.round(median(name) - median('nothing'));
  return { import: beside('import'), node: beside('node'), help: beside('help') };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(startTimes(process.argv[2], 21));
