/**
 * The tests of ranks (test/node/mpi) with newer MPI libraries than this machine's, MPI 5's standard ABI among them: each Debian below is made in a temporary folder (700 MB), and
 * this Node and this repository are mounted into it; the software GPU is that Debian's. Outside of CI. Needs root, mmdebstrap, a mirror of Debian, and a build. Making a Debian
 * takes a minute, each row of the table five to ten on two cores.
 *
 * Run: node test/mpi/newer.mjs [trixie] [forky]
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const dist = join(repository, 'dist');
const scratch = mkdtempSync(join(tmpdir(), 'vernier-debian-'));
/** The library that a run finds by itself; or the one of the standard ABI, which Debian's packages of both bring beside it. */
const OWN = {};
const STANDARD = { VERNIER_TEST_OPENMPI_LIBRARY: 'libmpi_abi_openmpi.so.1.0.0', VERNIER_TEST_MPICH_LIBRARY: 'libmpi_abi_mpich.so.1.0.0' };
const DEBIANS = { trixie: [OWN], forky: [OWN, STANDARD] };
const PACKAGES = ['openmpi-bin', 'mpich', 'mesa-vulkan-drivers'];

/** In namespaces of its own, so that its mounts and processes end with it: a command within the Debian at $ROOT. */
const WITHIN = `
set -e
mount --make-rprivate /
mount -t proc proc "$ROOT/proc"
mount --rbind /sys "$ROOT/sys"
mount --rbind /dev "$ROOT/dev"
mount -t tmpfs tmpfs "$ROOT/dev/shm"
for place in $PLACES; do mount --bind "$place" "$ROOT$place"; done
exec chroot "$ROOT" /bin/sh -c 'cd "$0" && exec "$@"' "$@"
`;

/** @throws Error with what the command said */
function must(command, words, more = {}) {
  const { status, stdout, stderr } = spawnSync(command, words, { encoding: 'utf8', ...more });
  if (status !== 0) throw new Error(`${command} ${words[0]} … ended with ${status}\n${stdout ?? ''}${stderr ?? ''}`);
  return stdout;
}

/** @returns the folder of that Debian */
function make(name) {
  const root = join(scratch, name);
  // A mirror may be a copy of a day that is past.
  const options = ['Acquire::Check-Valid-Until "false"', 'APT::Install-Recommends "false"'].map((option) => `--aptopt=${option}`);
  must('mmdebstrap', ['--quiet', '--variant=apt', ...options, `--include=${[...PACKAGES, 'ca-certificates', 'libvulkan1'].join()}`, name, root, 'http://deb.debian.org/debian']);
  return root;
}

/** A command of this Node within that Debian; what it says goes to stderr. @returns its exit code */
function within(root, libraries, words) {
  const { VERNIER_GOLDEN_DIR: golden, PATH } = process.env;
  const places = [repository.replace(/\/$/, ''), ...(golden === undefined ? [] : [golden])];
  for (const folder of [...places, dirname(process.execPath)]) mkdirSync(join(root, folder), { recursive: true });
  closeSync(openSync(join(root, process.execPath), 'a'));
  const env = {
    ...libraries, ROOT: root, PLACES: [process.execPath, ...places].join(' '), PATH, HOME: '/root', LANG: 'C.UTF-8', CI: 'true', HF_HUB_OFFLINE: '1', VERNIER_DIST: dist,
    ...(golden !== undefined && { VERNIER_GOLDEN_DIR: golden }),
  };
  return spawnSync('unshare', ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', WITHIN, 'sh', repository, process.execPath, ...words], { env, stdio: ['ignore', 2, 2] }).status;
}

/** Mesa's cache of compiled kernels, without which the first ranks of all would compile for longer than a rank may be silent in these tests. */
function warm(root) {
  const row = JSON.stringify({ messages: [{ role: 'user', content: 'How long?' }, { role: 'assistant', content: 'About 7.5 mm.' }], images: [] });
  writeFileSync(join(root, 'tmp/rows.jsonl'), `${row}\n`);
  const model = join(process.env.VERNIER_GOLDEN_DIR ?? join(repository, 'test/golden/data'), 'models/qwen2_5_vl-tiny');
  const flags = { base_model_hf: model, train_file: '/tmp/rows.jsonl', output_dir: '/tmp/warm', max_steps: 2, report_to: 'none', dataloader_num_workers: 0 };
  const status = within(root, OWN, [join(dist, 'train.js'), ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)]);
  if (status !== 0) throw new Error(`a run of one process ended with ${status}`);
}

/** One row: what the tests came to with these libraries. @returns whether all passed */
function test(name, root, libraries) {
  const began = performance.now();
  within(root, libraries, ['node_modules/vitest/vitest.mjs', 'run', 'test/node/mpi', '--reporter=default', '--reporter=json', '--outputFile.json=/tmp/report.json']);
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped } = JSON.parse(readFileSync(join(root, 'tmp/report.json'), 'utf8'));
  const versions = must('dpkg-query', [`--admindir=${join(root, 'var/lib/dpkg')}`, '--show', '--showformat=${Package} ${Version}, ', ...PACKAGES]).replace(/, $/, '');
  const which = libraries === STANDARD ? "MPI 5's ABI" : 'as found';
  console.log(`| ${name}: ${versions} | ${which} | ${passed} passed, ${failed} failed, ${skipped} skipped | ${((performance.now() - began) / 60_000).toFixed(1)} |`);
  return failed === 0 && skipped === 0 && passed > 0;
}

try {
  const asked = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(DEBIANS);
  must(process.execPath, ['--input-type=module', '--eval', "import { ensureBuilt } from './node/scripts/steps.mjs'; ensureBuilt(['node']);"], { cwd: repository });
  console.log('| Debian | library | tests | minutes |\n|---|---|---|---:|');
  for (const name of asked) {
    const root = make(name);
    warm(root);
    for (const libraries of DEBIANS[name]) if (!test(name, root, libraries)) process.exitCode = 1;
  }
} finally {
  must('rm', ['-rf', '--one-file-system', scratch]);
}
