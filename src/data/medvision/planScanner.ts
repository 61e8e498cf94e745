/**
 * Finds the parts of a benchmark plan in a stream of JSON bytes: the plan without its cases (a few kB), or the cases of one task, one at a
 * time. A plan can be hundreds of MB, so it is never held whole; a part is handed to JSON.parse when its last byte has arrived.
 *
 * Only brackets, commas, colons and strings are looked at, and they are ASCII, so bytes need no decoding here. Of the layout this knows
 * `{"tasks": [{"train_cases": [case, …], "test_cases": […], …}, …], …}` and nothing else.
 */
import { joinArrays } from '../../io/joinArrays.ts';
import { UserError } from '../../platform.ts';

export type CasesKey = 'train_cases' | 'test_cases';

/** A case list: `task` counts from 0. */
export interface CaseList {
  task: number;
  key: CasesKey;
}

/** The plan with emptied case lists, or each case of some lists. */
export type Wanted = { part: 'frame' } | { part: 'cases'; lists: readonly CaseList[] };

/** The bytes of a case and the list it is in; of a frame, `task` is -1. */
export interface PlanPart extends CaseList {
  bytes: Uint8Array;
}

const MAX_FRAME_BYTES = 64 * 2 ** 20;
const MAX_CASE_BYTES = 256 * 2 ** 20;
const MAX_DEPTH = 256;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

// Depth counts open brackets: 1 inside the plan, 2 inside "tasks", 3 inside a task, 4 inside a case list, 5 inside a case.
const IN_TASKS = 2;
const IN_TASK = 3;
const IN_CASES = 4;

/** Yields each wanted part: one for a frame, one per case otherwise, in the file's order. `where` names the file in errors. */
export async function* scanPlan(
  chunks: AsyncIterable<Uint8Array>,
  wanted: Wanted,
  where: string,
): AsyncGenerator<PlanPart, void, undefined> {
  const limit = wanted.part === 'frame' ? MAX_FRAME_BYTES : MAX_CASE_BYTES;
  let part: Uint8Array[] = [];
  let partBytes = 0;
  let depth = 0;
  let isDone = false;
  let isInString = false;
  let isEscaped = false;
  let expectsKey = false;
  let keyBytes: number[] | undefined;
  const keys = ['', '', '', '']; // the current key at depth 1 and 3
  let task = -1;
  let isInCaseList = false; // at depth 4 or deeper of a case list
  let list: CaseList | undefined; // the wanted list that the scan is in
  let isTaking = wanted.part === 'frame';

  const take = (bytes: Uint8Array): void => {
    if (bytes.length === 0) return;
    partBytes += bytes.length;
    if (partBytes > limit)
      throw new UserError(
        `${where}: one part of the plan is larger than ${limit} bytes. It is not a MedVision benchmark plan, or it is corrupt.`,
      );
    part.push(bytes.slice());
  };
  const join = (): Uint8Array => {
    const joined = joinArrays(Uint8Array, part);
    part = [];
    partBytes = 0;
    return joined;
  };

  for await (const chunk of chunks) {
    const whole: PlanPart[] = [];
    let from = 0; // start of the bytes of this chunk that are still to be taken
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (isInString) {
        if (isEscaped) isEscaped = false;
        else if (byte === BACKSLASH) isEscaped = true;
        else if (byte === QUOTE) {
          isInString = false;
          if (keyBytes !== undefined) keys[depth] = String.fromCharCode(...keyBytes);
          keyBytes = undefined;
          continue;
        }
        if (keyBytes !== undefined && keyBytes.length < 64) keyBytes.push(byte ?? 0);
        continue;
      }
      switch (byte) {
        case QUOTE:
          isInString = true;
          if (expectsKey && (depth === 1 || depth === IN_TASK)) keyBytes = [];
          break;
        case COLON:
          expectsKey = false;
          break;
        case COMMA:
          // Only the keys of objects at depth 1 and 3 are ever read; deeper down, or in a list, the flag has no effect.
          expectsKey = true;
          break;
        case OPEN_OBJECT:
        case OPEN_LIST:
          if (isDone) throw new UserError(`${where}: text after the end of the plan. Fetch the file again.`);
          depth++;
          if (depth > MAX_DEPTH)
            throw new UserError(`${where}: nested deeper than ${MAX_DEPTH} levels. It is not a MedVision benchmark plan.`);
          expectsKey = byte === OPEN_OBJECT;
          if (depth === IN_TASKS) task = -1;
          else if (depth === IN_TASK && keys[1] === 'tasks') {
            task++;
            keys[IN_TASK] = '';
          } else if (
            depth === IN_CASES &&
            byte === OPEN_LIST &&
            keys[1] === 'tasks' &&
            (keys[IN_TASK] === 'train_cases' || keys[IN_TASK] === 'test_cases')
          ) {
            isInCaseList = true;
            list = wanted.part === 'cases' ? wanted.lists.find((one) => one.task === task && one.key === keys[IN_TASK]) : undefined;
            if (wanted.part === 'frame') {
              take(chunk.subarray(from, i + 1));
              isTaking = false;
            }
          } else if (depth === IN_CASES + 1 && list !== undefined) {
            isTaking = true;
            from = i;
          }
          break;
        case CLOSE_OBJECT:
        case CLOSE_LIST:
          if (depth === 0) throw new UserError(`${where}: a closing bracket without an opening one. Fetch the file again.`);
          if (depth === IN_CASES + 1 && isTaking && list !== undefined) {
            take(chunk.subarray(from, i + 1));
            whole.push({ ...list, bytes: join() });
            isTaking = false;
          }
          if (depth === IN_CASES && isInCaseList) {
            isInCaseList = false;
            list = undefined;
            if (wanted.part === 'frame') {
              isTaking = true;
              from = i;
            }
          }
          depth--;
          expectsKey = false;
          isDone = depth === 0;
          break;
        default:
      }
    }
    if (isTaking) take(chunk.subarray(from));
    yield* whole;
  }
  if (!isDone) throw new UserError(`${where}: ends in the middle of the plan. It is truncated or empty; fetch it again.`);
  if (wanted.part === 'frame') yield { task: -1, key: 'train_cases', bytes: join() };
}
