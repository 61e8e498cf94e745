/**
 * Makes sure that WebGPU has an adapter. A machine with a GPU and its driver has one, and nothing is done. Where there is none, Debian and
 * Ubuntu get Mesa's software Vulkan (lavapipe) after a yes; elsewhere this says what to install. Dawn wants Mesa 25 or newer, which Debian
 * 12 has in backports.
 *
 * Run: node node/scripts/ensureGpu.mjs [--yes]. Changes nothing when an adapter is there.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import { backportsSource } from './aptSources.mjs';
import { fail, runProgram, say, splitYes } from './steps.mjs';

const OLDEST_MESA = 25;
const PACKAGES = ['mesa-vulkan-drivers', 'libvulkan1'];
const OUR_SOURCE = '/etc/apt/sources.list.d/vernier-backports.sources';

/** @returns {{adapter?: string, problem?: string}} */
export function probeGpu() {
  const run = spawnSync(process.execPath, [fileURLToPath(new URL('./gpuProbe.mjs', import.meta.url))], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  const line = run.stdout?.trim().split('\n').at(-1) ?? '';
  if (line.startsWith('{')) return JSON.parse(line);
  return { problem: `the GPU driver ended the probe (${run.signal ?? run.error?.message ?? `status ${run.status}`})` };
}

/** /etc/os-release as an object, or nothing on a system without it. @returns {Record<string, string>} */
function osRelease() {
  if (!existsSync('/etc/os-release')) return {};
  const lines = readFileSync('/etc/os-release', 'utf8').matchAll(/^(\w+)="?([^"\n]*)"?$/gm);
  return Object.fromEntries([...lines].map(([, key, value]) => [key, value]));
}

/** Major version of the Mesa that apt would install now; 0 when it knows none. */
function candidateMesa() {
  const policy = spawnSync('apt-cache', ['policy', PACKAGES[0]], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } }).stdout ?? '';
  return Number(/Candidate: (?:\d+:)?(\d+)\./.exec(policy)?.[1] ?? 0);
}

function aptSourceFiles() {
  const folder = '/etc/apt/sources.list.d';
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /\.(sources|list)$/.test(name)) : [];
  return ['/etc/apt/sources.list', ...names.map((name) => `${folder}/${name}`)]
    .filter((path) => path !== OUR_SOURCE && existsSync(path))
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }));
}

function instructions(problem) {
  const install =
    process.platform === 'darwin'
      ? 'On macOS the Metal driver is part of the system; over ssh or in a virtual machine without a GPU there may be none.'
      : process.platform === 'win32'
        ? 'On Windows install a current driver of the GPU (Direct3D 12).'
        : `Install your GPU's Vulkan driver, or Mesa's software Vulkan, version ${OLDEST_MESA} or newer:
  Debian 12       apt install -t bookworm-backports ${PACKAGES.join(' ')}   (after adding bookworm-backports to apt's sources)
  Debian, Ubuntu  apt install ${PACKAGES.join(' ')}
  Fedora          dnf install mesa-vulkan-drivers vulkan-loader
  Arch            pacman -S vulkan-swrast vulkan-icd-loader
  Alpine          not supported: Dawn is built for glibc`;
  return `WebGPU finds no usable adapter: ${problem}.\n${install}`;
}

async function confirmed(question) {
  const reader = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await reader.question(`${question} [Y/n] `);
  reader.close();
  return /^(y|yes|)$/i.test(answer.trim());
}

/** @param {{yes: boolean}} options */
export async function ensureGpu({ yes }) {
  const before = probeGpu();
  if (before.adapter) return say(`GPU: ${before.adapter}`);
  const release = osRelease();
  if (process.platform !== 'linux' || spawnSync('apt-get', ['--version']).status !== 0) fail(instructions(before.problem));

  const isRoot = process.getuid() === 0;
  const hasSudo = !isRoot && spawnSync('sudo', ['-V']).status === 0;
  // Without a terminal there is nobody to ask: a script that runs as root (a container being set up) gets what it came for.
  const unattended = yes || process.env.CI === 'true' || (isRoot && !process.stdin.isTTY);
  if (!isRoot && !hasSudo) fail(`${instructions(before.problem)}\nInstalling it needs root, and there is no sudo here.`);
  if (!unattended && !process.stdin.isTTY)
    fail(`${instructions(before.problem)}\nTo have it installed without a question: node node/scripts/ensureGpu.mjs --yes`);
  say(`WebGPU finds no usable adapter: ${before.problem}.`);
  say(`${release.PRETTY_NAME ?? 'This system'} can run it on the CPU with Mesa's software Vulkan (packages ${PACKAGES.join(', ')}).`);
  if (!unattended && !(await confirmed(`Install it${isRoot ? '' : ' with sudo'}?`))) fail(instructions(before.problem));

  /** As root; sudo asks for its password on the terminal, and unattended it must not ask. */
  const asRoot = (command, args, options = { stdio: ['inherit', 'ignore', 'inherit'] }) => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    if (isRoot) return runProgram(command, args, { env, ...options });
    return runProgram('sudo', [...(unattended ? ['-n'] : []), 'env', 'DEBIAN_FRONTEND=noninteractive', command, ...args], options);
  };
  const apt = (...args) => asRoot('apt-get', ['-qq', '-o', 'Dpkg::Use-Pty=0', ...args]);

  apt('update');
  let target = [];
  if (candidateMesa() < OLDEST_MESA && release.ID === 'debian' && release.VERSION_CODENAME) {
    const suite = `${release.VERSION_CODENAME}-backports`;
    const source = backportsSource(aptSourceFiles(), release.VERSION_CODENAME);
    if (source.kind === 'none')
      fail(
        `no apt source of this machine serves ${release.VERSION_CODENAME}, so ${suite} cannot be derived.\n${instructions(before.problem)}`,
      );
    if (source.kind === 'derived') {
      say(`adding ${suite}, from where ${source.path} takes ${release.VERSION_CODENAME}: ${OUR_SOURCE}`);
      if (isRoot) writeFileSync(OUR_SOURCE, source.text);
      else asRoot('tee', [OUR_SOURCE], { input: source.text, stdio: ['pipe', 'ignore', 'inherit'] });
    } else if (existsSync(OUR_SOURCE)) {
      say(`${source.path} offers ${suite} by itself; removing ${OUR_SOURCE}`);
      if (isRoot) rmSync(OUR_SOURCE);
      else asRoot('rm', ['-f', OUR_SOURCE]);
    }
    apt('update');
    target = ['-t', suite];
  }
  say('installing Mesa …');
  if (apt('install', '-y', '--no-install-recommends', ...target, ...PACKAGES) !== 0)
    fail('apt-get could not install Mesa; its message is above.');

  const after = probeGpu();
  if (!after.adapter) fail(`Mesa is installed, and still: ${instructions(after.problem)}`);
  say(`GPU: ${after.adapter}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await ensureGpu(splitYes(process.argv.slice(2)));
