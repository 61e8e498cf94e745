/** What the functions of this folder need of the runtime. `vernier/node` and `vernier/web` bring it along. */
import { UserError } from '../platform.ts';
import type { Platform, RangedFile } from '../platform.ts';
import type { StartWorkers } from '../run/inputs/dataWorkers.ts';

export interface OnPlatform {
  platform: Platform;
  /** Threads that make rows; absent: the thread that asks makes them. */
  startWorkers?: StartWorkers | undefined;
}

/** How many runs and models use a platform's GPU. */
const users = new WeakMap<Platform, number>();

/** A platform for one run or model. */
export interface HeldPlatform {
  platform: Platform;
  /** Closes the files that are open, and the GPU unless others use it. */
  letGo(): Promise<void>;
}

/**
 * A platform whose GPU stays open until all who hold it have let go: a run that ends must not take it from a model that is loaded. A
 * program leaves its files to the end of its process, which a script's goes beyond.
 */
export function heldPlatform(platform: Platform, isOffline: boolean): HeldPlatform {
  users.set(platform, (users.get(platform) ?? 0) + 1);
  const files = new Set<RangedFile>();
  let isHeld = true;
  return {
    platform: {
      ...(isOffline ? offlinePlatform(platform) : platform),
      releaseGpu: () => undefined,
      async openFile(path) {
        const file = await platform.openFile(path);
        files.add(file);
        return {
          path: file.path,
          size: file.size,
          read: (...given) => file.read(...given),
          async close() {
            files.delete(file);
            await file.close();
          },
        };
      },
    },
    async letGo() {
      if (!isHeld) return;
      isHeld = false;
      await Promise.allSettled([...files].map((file) => file.close()));
      const left = (users.get(platform) ?? 1) - 1;
      users.set(platform, left);
      if (left === 0) platform.releaseGpu?.();
    },
  };
}

/** `offline: true`, for one run alone: as HF_HUB_OFFLINE=1 and WANDB_MODE=offline, and whatever else would connect is refused. */
function offlinePlatform(platform: Platform): Platform {
  const env = (name: string): string | undefined => {
    if (name === 'HF_HUB_OFFLINE') return '1';
    return name === 'WANDB_MODE' && platform.env(name)?.toLowerCase() !== 'disabled' ? 'offline' : platform.env(name);
  };
  const refuse = (url: string | URL): Promise<never> =>
    Promise.reject(new UserError(`offline: true: the connection to ${new URL(url).host} is refused. Leave offline out to allow it.`));
  return { ...platform, env, network: { fetch: refuse } };
}
