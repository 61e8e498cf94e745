/**
 * Runs a command of this repository in a Debian 13 root with Mesa 26, whose software GPU offers Dawn subgroup matrices (8×8×8, f16 into f32; subgroups of
 * eight): kernels for tensor cores run and are tested with no GPU at all. Debian's own Mesa, and any before 26, has none.
 *
 * Run: node test/runtimes/mesa26.mjs npx vitest run test/ops/matmulHalf.test.ts
 * Needs Linux, root, the right to mount, and Debian's apt sources; debootstrap is installed where it is missing. The root is made once (about two minutes,
 * 600 MB) in VERNIER_MESA26_ROOT, else /var/tmp/vernier-mesa26. It lives in a mount namespace of its own: nothing stays mounted. Status 77: not possible here.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { archiveUri } from '../../node/scripts/aptSources.mjs';

const ROOT = process.env.VERNIER_MESA26_ROOT ?? '/var/tmp/vernier-mesa26';
const RELEASE = 'trixie';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const repository = realpathSync(fileURLToPath(new URL('../..', import.meta.url)));
const DONE = join(ROOT, '.complete');

/** In the namespace: binds what the command needs, then runs it. Arguments: the root, node's program, where to be, folders to bind (one a line), the command. */
const ENTER = `
  set -e; root=$1 node=$2 here=$3 folders=$4; shift 4
  mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"
  mkdir -p "$root/opt/node/bin"; touch "$root/opt/node/bin/node"; mount --bind "$node" "$root/opt/node/bin/node"
  printf '%s\\n' "$folders" | while read -r folder; do [ -z "$folder" ] || { mkdir -p "$root$folder"; mount --bind "$folder" "$root$folder"; }; done
  exec chroot "$root" env PATH="$here/node_modules/.bin:/opt/node/bin:/usr/local/bin:/usr/bin:/bin" HOME=/root LANG=C.UTF-8 bash -c 'cd "$0" && exec "$@"' "$here" "$@"`;

function run(program, args, options = {}) {
  return spawnSync(program, args, { encoding: 'utf8', ...options });
}

const has = (program) => run('sh', ['-c', `command -v ${program}`]).status === 0;

/** The last lines of what a program said, for a reason in one line. */
function said({ stdout, stderr, error }) {
  return error?.message ?? `${stdout ?? ''}\n${stderr ?? ''}`.trim().split('\n').slice(-3).join(' | ');
}

function aptSources() {
  const folder = '/etc/apt/sources.list.d';
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /\.(sources|list)$/.test(name)) : [];
  const paths = ['/etc/apt/sources.list', ...names.map((name) => join(folder, name))];
  return paths.filter((path) => existsSync(path)).map((path) => ({ path, text: readFileSync(path, 'utf8') }));
}

/** The machine's way to its archive (a proxy, certificates) holds in the root, too. */
function copyNetworkSettings() {
  copyFileSync('/etc/resolv.conf', join(ROOT, 'etc/resolv.conf'));
  const folder = '/etc/apt/apt.conf.d';
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const [from, to] = [join(folder, name), join(ROOT, folder, name)];
    if (/^\s*Acquire::/m.test(readFileSync(from, 'utf8')) && !existsSync(to)) copyFileSync(from, to);
  }
}

/** Makes the root; returns why it could not. @returns {string | undefined} */
function makeRoot() {
  const release = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  const uri = /^ID=debian$/m.test(readFileSync('/etc/os-release', 'utf8')) && release ? archiveUri(aptSources(), release) : undefined;
  if (uri === undefined) return "no apt source of this machine serves Debian, from which the root could be made";
  if (!has('debootstrap')) {
    run('apt-get', ['-qq', 'update']);
    const installed = run('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', 'debootstrap'], { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
    if (installed.status !== 0) return `debootstrap is missing and apt could not install it: ${said(installed)}`;
  }
  rmSync(ROOT, { recursive: true, force: true });
  mkdirSync(ROOT, { recursive: true });
  const packages = 'ca-certificates,libstdc++6,debian-archive-keyring';
  const base = run('debootstrap', ['--variant=minbase', `--include=${packages}`, RELEASE, ROOT, uri], { timeout: 600_000 });
  if (base.status !== 0) return `debootstrap could not make a ${RELEASE} root from ${uri}: ${said(base)}`;
  writeFileSync(join(ROOT, 'etc/apt/sources.list.d/backports.list'), `deb [signed-by=${KEYRING}] ${uri} ${RELEASE}-backports main\n`);
  copyNetworkSettings();
  const apt = (...args) => run('chroot', [ROOT, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-qq', ...args], { timeout: 600_000 });
  const updated = apt('update');
  const mesa = apt('install', '-y', '--no-install-recommends', '-t', `${RELEASE}-backports`, 'mesa-vulkan-drivers', 'libvulkan1');
  if (mesa.status !== 0) return `apt could not install Mesa of ${RELEASE}-backports: ${said(updated)} ${said(mesa)}`;
  writeFileSync(DONE, '');
  return undefined;
}

/** Makes the root where it is missing. @returns {string | undefined} why this machine does not allow it, in words */
export function prepareMesa26() {
  if (process.platform !== 'linux') return 'it needs Linux';
  if (process.getuid?.() !== 0) return 'it needs root, to make a root of its own';
  if (!has('unshare') || run('unshare', ['--mount', 'true']).status !== 0) return 'it needs the right to mount (unshare --mount), which this machine refuses';
  const problem = existsSync(DONE) ? undefined : makeRoot();
  if (problem !== undefined) return problem;
  const version = inMesa26(['node', '--version'], { encoding: 'utf8' });
  return version.status === 0 ? undefined : `node does not run in the root: ${said(version)}`;
}

/** Runs a command in the root, at the same path. `folders`: what it needs besides the repository. */
export function inMesa26(command, options = {}, folders = []) {
  const node = realpathSync(process.execPath);
  const bound = [repository, ...folders.map((folder) => realpathSync(folder))].join('\n');
  // The root has certificates of its own.
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: '', npm_config_prefix: dirname(dirname(node)), ...options.env };
  return spawnSync('unshare', ['--mount', 'bash', '-c', ENTER, 'mesa26', ROOT, node, repository, bound, ...command], { ...options, env });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problem = prepareMesa26();
  if (problem !== undefined) {
    console.error(`Mesa 26: ${problem}`);
    process.exit(77);
  }
  const folders = ['VERNIER_GOLDEN_DIR', 'VERNIER_DATA_DIR'].map((name) => process.env[name]).filter((folder) => folder);
  const [program = 'node', ...args] = process.argv.slice(2).filter((word, at) => !(at === 0 && word === 'npx'));
  process.exit(inMesa26([program, ...args], { stdio: 'inherit' }, folders).status ?? 1);
}
