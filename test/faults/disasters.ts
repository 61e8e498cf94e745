/** What befalls a run at a point of its work, and the proof that it did: a cell whose fault was not real, or came when there was nothing left for it to hit, is not a good one. */
import type { ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, truncateSync } from 'node:fs';
import type { TestHub } from '../hub/testHub.ts';
import type { WandbServer } from '../track/wandbServer.ts';
import { fullDisk, readOnlyDisk, refusal } from './disks.ts';
import type { Disk } from './disks.ts';
import type { FaultyEnd } from './faultyProcess.ts';

/** A run that has ended, and whether the phase that was to be hit was over by then. */
export interface Struck extends FaultyEnd {
  isOver: boolean;
}

export interface Proof {
  /** It befell the run, and while there was something for it to hit. */
  isReal: boolean;
  words: string;
}

export interface Around {
  child: ChildProcess;
  dir: string;
  /** File or folder that may vanish. */
  input: string;
  disk?: Disk | undefined;
}

export interface Disaster {
  name: string;
  /** Where the result folder must be a disk of its own. `image` is a file that it may be in. */
  disk?: (dir: string, image: string) => Disk;
  /** For inject.mjs; default "tell". */
  does?: string;
  /** At which of the point's calls, by phase, where it could strike no longer at the one that the others take. */
  nth?: Readonly<Record<string, number>>;
  /** Names of phases where it means something; default all. */
  in?: RegExp;
  /** Milliseconds between a first signal and a second: the next is tried where the process was gone before the second. */
  between?: readonly number[];
  act?: (around: Around, between: number) => void;
  /** Before the job is gone on with. */
  undo?: (around: Omit<Around, 'child'>) => void;
  /** Of a run that has ended. */
  proof: (ended: Struck) => Proof;
  /** A run may come to its end in spite of it. */
  isSurvived?: true;
}

/** A run that came to its end met nothing, unless it had nothing more to do with what was hit. */
function endedBy(ended: FaultyEnd, words: string): Proof {
  return ended.code === 0 ? { isReal: false, words: `${words}, and the run came to its end: it struck too late` } : { isReal: true, words };
}

function signal(name: NodeJS.Signals): Disaster {
  return { name, act: ({ child }) => void child.kill(name), proof: (ended) => endedBy(ended, 'sent') };
}

const pause = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

function signalTwice(name: NodeJS.Signals): Disaster {
  let [wasSent, between] = [false, 0];
  return {
    name: `${name} twice`,
    // At once: while the process stands still at the point of the fault.
    between: [300, 40, 0],
    act({ child }, ms) {
      [wasSent, between] = [false, ms];
      child.kill(name);
      const again = (): void => void (wasSent = child.exitCode === null && child.signalCode === null && child.kill(name));
      if (ms > 0) return void setTimeout(again, ms);
      pause(30);
      again();
    },
    proof: (ended) => (wasSent ? endedBy(ended, between > 0 ? `second after ${between} ms` : 'second at once') : { isReal: false, words: 'gone before the second' }),
  };
}

/** A disk that refuses bytes. Where the run came to its end, not a file may have been made, written or renamed after that: it was harmless then. */
function disk(name: string, make: (dir: string, image: string) => Disk): Disaster {
  let refused: string | undefined;
  return {
    name,
    disk: make,
    act({ dir, disk: own }) {
      own!.strike();
      refused = refusal(dir);
    },
    undo: ({ disk: own }) => own?.repair(),
    proof(ended) {
      if (refused !== name) return { isReal: false, words: `a write was answered with ${refused ?? 'success'}` };
      if (ended.code === 0 && ended.changes === 0) return { isReal: true, words: 'harmless: nothing was written after it' };
      return endedBy(ended, 'a write is refused');
    },
  };
}

/** Has the process this file open? */
function isOpen({ pid }: ChildProcess, path: string): boolean {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).some((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`) === path;
    } catch {
      return false; // closed meanwhile
    }
  });
}

function vanishing(): Disaster {
  let [wasOpen, isGone] = [false, false];
  return {
    name: 'vanished file',
    in: /plans|pictures|loading|first compile|^training|^evaluating$|merging/,
    act({ child, input }) {
      wasOpen = isOpen(child, input);
      renameSync(input, `${input}.away`);
      isGone = !existsSync(input);
    },
    undo: ({ input }) => void (existsSync(`${input}.away`) && renameSync(`${input}.away`, input)),
    proof(ended) {
      if (!isGone) return { isReal: false, words: 'it was still there' };
      // What is open stays readable on this system: see "truncated file".
      if (ended.code === 0 && wasOpen) return { isReal: true, words: 'harmless: the process had it open' };
      return endedBy(ended, 'gone');
    },
  };
}

/** A file of weights that loses its second half while the process has it open. */
const truncating: Disaster = {
  name: 'truncated file',
  in: /^loading$|^merging$/,
  act({ input }) {
    copyFileSync(input, `${input}.whole`);
    truncateSync(input, Math.floor(readFileSync(input).length / 2));
  },
  undo({ input }) {
    if (!existsSync(`${input}.whole`)) return;
    copyFileSync(`${input}.whole`, input);
    rmSync(`${input}.whole`);
  },
  proof: (ended) => endedBy(ended, 'its second half is gone'),
};

function injected(name: string, does: string, phases: RegExp, nth: Disaster['nth'] = {}): Disaster {
  return {
    name,
    does,
    in: phases,
    nth,
    proof({ struckAfter, isOver }) {
      if (struckAfter === undefined) return { isReal: false, words: 'never met the program' };
      const words = `injected, met ${struckAfter.toFixed(1)} s after`;
      return isOver ? { isReal: false, words: `${words}, when training was over` } : { isReal: true, words };
    },
  };
}

function wandbFault(wandb: WandbServer, name: string, fault: 'drop' | 'hang'): Disaster {
  let hit = 0;
  return {
    name,
    in: /tracking/,
    isSurvived: true,
    act() {
      hit = 0;
      wandb.fault = () => {
        hit++;
        return fault;
      };
    },
    undo: () => void (wandb.fault = () => 'none'),
    proof: () => ({ isReal: hit > 0, words: `${hit} requests ${fault === 'drop' ? 'cut off' : 'not answered'}` }),
  };
}

export function disastersOf(hub: TestHub, wandb: WandbServer): readonly Disaster[] {
  return [
    ...(['SIGINT', 'SIGTERM', 'SIGHUP'] as const).flatMap((name) => [signal(name), signalTwice(name)]),
    {
      name: 'closed console',
      isSurvived: true,
      act({ child }) {
        child.stdout?.destroy();
        child.stderr?.destroy();
      },
      proof: () => ({ isReal: true, words: 'closed' }),
    },
    disk('ENOSPC', fullDisk),
    disk('EROFS', readOnlyDisk),
    vanishing(),
    truncating,
    injected('lost GPU', 'lose-gpu', /loading|compile|training|saving|evaluating/),
    // Of the later steps on prepared rows none makes a buffer.
    injected('no GPU memory', 'no-gpu-memory', /loading|compile|training|saving$|evaluating/, { 'training on prepared rows': 2 }),
    wandbFault(wandb, 'W&B down', 'drop'),
    wandbFault(wandb, 'W&B hanging', 'hang'),
    {
      name: 'hub down',
      in: /pushing/,
      act() {
        hub.refused = 0;
        hub.isDown = true;
      },
      undo: () => void (hub.isDown = false),
      proof: (ended) => endedBy(ended, `${hub.refused} requests cut off, the commit among them`),
    },
  ];
}
