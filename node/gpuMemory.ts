/** How much memory a GPU has, which WebGPU does not tell and the system may. */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import process from 'node:process';
import { promisify } from 'node:util';
import type { GpuMemory } from '../src/platform.ts';

/** Undefined where the system does not tell. */
export async function gpuMemory({ isSoftware }: { isSoftware: boolean }): Promise<GpuMemory | undefined> {
  if (isSoftware) return { bytes: freemem(), source: "the machine's free memory" };
  if (process.platform === 'darwin') return { bytes: totalmem() * 0.75, source: 'three quarters of the unified memory' };
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', ['--query-gpu=memory.total', '--format=csv,noheader,nounits'], {
      timeout: 5000,
    });
    const mebibytes = Number(stdout.trim().split('\n')[0]);
    if (Number.isFinite(mebibytes) && mebibytes > 0) return { bytes: mebibytes * 2 ** 20, source: 'nvidia-smi' };
  } catch {
    // no NVIDIA driver
  }
  try {
    for (const card of await readdir('/sys/class/drm')) {
      const bytes = Number(await readFile(`/sys/class/drm/${card}/device/mem_info_vram_total`, 'utf8').catch(() => ''));
      if (bytes > 0) return { bytes, source: card };
    }
  } catch {
    // not Linux
  }
  return undefined;
}
