/**
 * Deno runs a program with the permissions of its command line and no others. What ours need is asked for before anything else is done, and
 * told together: a missing one would otherwise end a run in the middle, with Deno's stack, or as a question in the terminal for each file.
 */
import process from 'node:process';

/** The picture decoder is a native library (ffi); locks and memory need the system's figures (sys). */
const NEEDED = ['read', 'write', 'env', 'ffi', 'sys'] as const;
type Permission = (typeof NEEDED)[number];

interface Deno {
  permissions: { querySync(descriptor: { name: string; path?: string }): { state: 'granted' | 'prompt' | 'denied' } };
  mainModule: string;
}

/** Undefined elsewhere than in Deno. */
const deno = (globalThis as { Deno?: Deno }).Deno;

function isGranted({ permissions }: Deno, name: Permission): boolean {
  if (permissions.querySync({ name }).state === 'granted') return true;
  // Those who give folders one by one (--allow-read=.,/data) know what they do; the folder that we run in stands for all.
  return (name === 'read' || name === 'write') && permissions.querySync({ name, path: '.' }).state === 'granted';
}

/** Ends the process with the command that would run, where Deno has not been given what it needs. */
export function requirePermissions(): void {
  if (deno === undefined) return;
  const missing = NEEDED.filter((name) => !isGranted(deno, name));
  if (missing.length === 0) return;
  process.stderr.write(`Error: ${permissionWords(deno, missing)}\n`);
  process.exit(2);
}

function permissionWords({ mainModule }: Deno, missing: readonly string[]): string {
  const flags = (names: readonly string[]): string => names.map((name) => `--allow-${name}`).join(' ');
  const program = /[^/]+\/[^/]+$/.exec(mainModule)?.[0] ?? 'dist/train.js';
  return (
    `Deno was started without ${flags(missing)}. Run: deno run ${flags(NEEDED)} ${program} … ` +
    '(and --allow-net for the hub and W&B, --allow-run=nvidia-smi for the memory of an NVIDIA GPU).'
  );
}

/** Words for an error of Deno's about a permission, wherever it lies in the chain of causes; undefined for any other. */
export function permissionFault(error: unknown): string | undefined {
  if (deno === undefined) return undefined;
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    const name = /Requires (?:all )?(\w+) access/.exec(at.message)?.[1];
    if (name !== undefined) return `${at.message.replace(/,? run again with.*$/s, '')}. ${permissionWords(deno, [name])}`;
  }
  return undefined;
}
