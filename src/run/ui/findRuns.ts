/** The runs below the shown folder: folders that hold what a training or an evaluation leaves. */
import { joinPath } from '../../platform.ts';
import { LOG_FILE } from '../../track/jsonl.ts';
import { TRAINER_STATE } from '../../train/checkpointFolder.ts';
import { EVALUATION_FILE } from '../evaluate/folder.ts';
import { LOCK } from '../outputFolder.ts';
import { RECORD_FILE } from '../report/record.ts';
import type { OutputsFolder } from './folder.ts';

/** How far is looked: what lies deeper, or beyond so many folders, is not shown. */
const DEPTH = 6;
const MOST_FOLDERS = 5000;
const MOST_RUNS = 1000;

export interface FoundRun {
  /** Its folder below; '' is the shown folder itself. */
  name: string;
  kind: 'training' | 'evaluation';
}

const MARKS = [LOG_FILE, TRAINER_STATE, RECORD_FILE, EVALUATION_FILE];

/** Parts of a run, of which there may be many. */
const isInner = (name: string): boolean => /^\.|^checkpoint-\d+|^node_modules$|^wandb$/.test(name);

/** In the order of their names. What cannot be read (another user's, removed meanwhile) is not there. */
export async function findRuns(folder: OutputsFolder): Promise<FoundRun[]> {
  const runs: FoundRun[] = [];
  const seen = new Set<string>();
  let level = [''];
  for (let depth = 0; depth <= DEPTH && level.length > 0; depth++) {
    const next: string[] = [];
    for (const name of level) {
      if (seen.size >= MOST_FOLDERS || runs.length >= MOST_RUNS) break;
      const path = await folder.inside(name);
      // A folder that several links lead to is one run.
      if (path === undefined || seen.has(path)) continue;
      seen.add(path);
      const names = await folder.platform.listDir(path).catch(() => undefined);
      if (names === undefined) continue;
      if (names.some((one) => MARKS.includes(one) || one === LOCK))
        runs.push({ name, kind: names.includes(EVALUATION_FILE) ? 'evaluation' : 'training' });
      for (const one of names) {
        if (isInner(one)) continue;
        const isFolder = await folder.platform.isDirectory(joinPath(path, one)).catch(() => false);
        if (isFolder) next.push(name === '' ? one : `${name}/${one}`);
      }
    }
    level = next;
  }
  return runs.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What a request calls the run: nothing in it is a path. */
export async function runId(name: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(name)));
  return Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
