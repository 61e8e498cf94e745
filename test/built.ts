/** What tests start or open as it is built: `npm test` has built it; this is for a file that is run by itself. */
import { spawnSync } from 'node:child_process';
import { repository } from './runtimes/runIn.ts';

/** Builds what is missing or older than its sources, in dist/. @throws Error with what the build said */
export function ensureBuilt(...modes: ('node' | 'library' | 'web')[]): void {
  // In a process of its own, because a failing build ends the process.
  const build = `import { ensureBuilt } from './node/scripts/steps.mjs'; ensureBuilt(${JSON.stringify(modes)});`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', build], { cwd: repository, encoding: 'utf8' });
  if (status !== 0) throw new Error(`the build failed (${modes.join(', ')}): ${stderr}`);
}
