/**
 * The set-up that `npm start` and `npm test` share: packages, then the GPU (ensureGpu.mjs), then the builds. Each step looks first and does
 * only what is missing. Node builtins only: in a fresh clone nothing else is there yet.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** @param {string} text */
export const say = (text) => console.log(`vernier · ${text}`);

/** Ends the program with a message that says what to do. @param {string} text @returns {never} */
export function fail(text) {
  console.error(`\nvernier · ${text}`);
  process.exit(1);
}

/**
 * Runs a program in the repository, its output on ours. @param {string} command @param {string[]} args @returns {number} its exit status
 */
export function runProgram(command, args, options = {}) {
  const { status, error, signal } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) fail(`cannot run ${command}: ${error.message}`);
  return status ?? (signal ? 130 : 1);
}

/** What the lock file asks for and node_modules does not have, or undefined. Optional packages belong to other systems. */
function missingPackage() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return 'node_modules';
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const present = JSON.parse(readFileSync(installed, 'utf8')).packages;
  return Object.keys(wanted).find((path) => path !== '' && !wanted[path].optional && present[path]?.version !== wanted[path].version);
}

export function ensurePackages() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) fail(`Vernier needs Node 20.19 or newer; this is ${process.versions.node}.`);
  const missing = missingPackage();
  if (missing === undefined) return;
  say(`installing packages (${missing === 'node_modules' ? 'first run' : `${missing} is missing or old`}) …`);
  const npm = process.env.npm_execpath;
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const status = npm ? runProgram(process.execPath, [npm, ...args]) : runProgram('npm', args, { shell: process.platform === 'win32' });
  if (status !== 0) fail('npm ci failed; its message is above. Is the network there, and the disk not full?');
}

/** Newest change below a path, in ms; generated and downloaded folders do not count. @param {string} path @returns {number} */
function newestChange(path) {
  if (!existsSync(path)) return 0;
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  return Math.max(info.mtimeMs, ...readdirSync(path).map((name) => newestChange(join(path, name))));
}

/** What each build of vite.config.ts is made of. With none of its entries there is nothing to build yet. */
const BUILDS = {
  node: { entries: ['node/train.ts', 'node/quickstart.ts'], sources: ['node', 'src', 'kernels'] },
  library: { entries: ['src/index.ts'], sources: ['src', 'kernels'] },
  web: {
    entries: ['web/index.html'],
    sources: ['web', 'src', 'kernels', 'node/base', 'node/base-medgemma', 'node/base-smolvlm', 'node/sample'],
  },
};

/** Builds what is missing or older than its sources. @param {(keyof typeof BUILDS)[]} modes @param {{force?: boolean}} [options] */
export function ensureBuilt(modes, { force = false } = {}) {
  for (const mode of modes) {
    const { entries, sources } = BUILDS[mode];
    if (!entries.some((path) => existsSync(join(root, path)))) {
      say(`no ${mode} build: there is no ${entries.join(' or ')} yet`);
      continue;
    }
    const stamp = join(root, 'dist', `.built-${mode}`);
    const changed = [...sources, 'vite.config.ts', 'package-lock.json'].map((path) => newestChange(join(root, path)));
    const isNew = () => !force && existsSync(stamp) && statSync(stamp).mtimeMs > Math.max(...changed);
    if (isNew()) continue;
    aloneInDist(() => {
      if (isNew()) return; // another has built it meanwhile
      say(`building (${mode}) …`);
      rmSync(stamp, { force: true });
      const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
      if (runProgram(process.execPath, [vite, 'build', '--mode', mode, '--logLevel', 'warn']) !== 0)
        fail(`the ${mode} build failed; the message is above.`);
      writeFileSync(stamp, '');
    });
  }
}

/** Does it when no other process that is still there builds: test files run beside each other. @param {() => void} work */
function aloneInDist(work) {
  const lock = join(root, 'dist', '.building');
  mkdirSync(join(root, 'dist'), { recursive: true });
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (!isBuilding(lock)) rmSync(lock, { force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
  try {
    work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Whether the process that a lock names is there; one that has not yet written its name is. @param {string} lock */
function isBuilding(lock) {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    return pid === 0 || process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM' || error.code === 'ENOENT';
  }
}

/** Takes `--yes` out of the arguments. @param {string[]} args */
export function splitYes(args) {
  return { yes: args.includes('--yes'), rest: args.filter((arg) => arg !== '--yes') };
}
