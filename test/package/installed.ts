/** The package as somebody installs it: packed from new, in an empty folder, from npm alone. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repository } from '../runtimes/runIn.ts';

export interface Installed {
  folder: string;
  tarball: string;
}

export interface Ran {
  status: number | null;
  stdout: string;
  stderr: string;
}

export function run(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = process.env): Ran {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 280_000, maxBuffer: 2 ** 26 });
  if (error) throw error;
  return { status, stdout, stderr };
}

/** npm, with install scripts on, whatever this repository's own settings are. */
export function npm(args: readonly string[], cwd: string): Ran {
  const flags = ['--ignore-scripts=false', '--no-audit', '--no-fund', '--loglevel=error'];
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) || /^npm_config_(registry|cache|userconfig)$/i.test(name)));
  return run('npm', [...args, ...flags], cwd, env);
}

/** Of the repository, what is packed or what it is built by. */
const SOURCES = [
  'kernels', 'node', 'src', 'web', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json', 'package-lock.json', 'tsconfig.json', 'vite.config.ts', '.npmrc',
];

/** In a copy, since packing builds dist/ from new, and other tests run what is in there. @throws Error with npm's words */
export function install(): Installed {
  const folder = mkdtempSync(join(tmpdir(), 'vernier-package-'));
  const source = join(folder, 'source');
  for (const name of SOURCES) cpSync(join(repository, name), join(source, name), { recursive: true });
  symlinkSync(join(repository, 'node_modules'), join(source, 'node_modules'), 'junction');
  const packed = run(process.execPath, [join(source, 'node/scripts/pack.mjs'), '--pack-destination', folder], source);
  const name = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  if (packed.status !== 0 || name === undefined) throw new Error(`it cannot be packed: ${packed.stderr}${packed.stdout}`);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  const tarball = join(folder, name);
  const added = npm(['install', tarball], folder);
  if (added.status !== 0) throw new Error(`it cannot be installed: ${added.stderr}${added.stdout}`);
  return { folder, tarball };
}

/** Bytes of all files below a folder. */
export function sizeOf(path: string): number {
  const info = statSync(path, { throwIfNoEntry: false });
  if (info === undefined) return 0; // a link to nothing
  return info.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0) : info.size;
}
