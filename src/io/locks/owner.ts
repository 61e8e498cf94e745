/**
 * Who holds a lock, as its file says it. A process id is a number in one table of processes: another machine, another container and the
 * same machine after a restart have other tables, whatever their host names say. So a lock names its table, and only a process of the same
 * table may conclude anything from the id; everyone else watches the heartbeat (locks.ts).
 */

export interface Identity {
  host: string;
  pid: number;
  /** Of this start of the system; absent where the system has no such word, and then no process is ever known to be dead. */
  boot?: string;
  /** Linux: PID namespace (its table of processes), and time namespace, in which `born` is counted. */
  namespaces?: string;
  /** When the process began, in the system's own count: a later process of the same id is another. */
  born?: string;
}

/** What a lock file says in its first line; the second is the heartbeat. */
export interface Owner extends Identity {
  /** Of this one holding; random. */
  id: string;
  program: string;
  /** For people: nothing is computed from another machine's clock. */
  started: string;
}

/** A lock of an earlier version says less, and one that is no lock of ours nothing. */
export function parseOwner(text: string): Partial<Owner> {
  let value: unknown;
  try {
    value = JSON.parse(text.split('\n', 1)[0] ?? '');
  } catch {
    return {};
  }
  if (typeof value !== 'object' || value === null) return {};
  const given = value as Record<string, unknown>;
  const owner: Partial<Owner> = {};
  for (const key of ['id', 'host', 'boot', 'namespaces', 'born', 'program', 'started'] as const) {
    const word = given[key];
    if (typeof word === 'string') owner[key] = word;
  }
  if (typeof given['pid'] === 'number' && Number.isInteger(given['pid']) && given['pid'] > 0) owner.pid = given['pid'];
  return owner;
}

/** "process 7 on ward-3 (train), since …", as far as it is known. */
export function ownerInWords({ pid, host, program, started }: Partial<Owner>, me: Identity): string {
  if (pid === undefined) return 'another process, which its lock does not name';
  const where = host === undefined || host === me.host ? '' : ` on ${host}`;
  const words = `process ${pid}${where}${program === undefined ? '' : ` (${program})`}${started === undefined ? '' : `, since ${started}`}`;
  return words.replace(/[^\x20-\x7e\xa0-\uffff]/g, '?').slice(0, 300); // the file may hold anything
}
