/**
 * While one of its promises is pending (a buffer to be mapped, a queue to finish), Dawn in Node looks for its events by `setImmediate`, again at
 * once: the main thread spins, and takes a third of two cores from a GPU that the CPU plays. Dawn asks the global object for
 * `setImmediate` each time, so that one of ours can let it rest for a millisecond between two looks, once a wait is a long one.
 */

type Immediate = (callback: (...args: unknown[]) => void, ...args: unknown[]) => unknown;

export interface Clock {
  immediate: Immediate;
  /** After a millisecond. */
  later: Immediate;
  /** ms */
  now: () => number;
}

/** A wait that is over sooner than this ends without delay, ms: those of a graphics card that writes a text word by word. */
const SPIN = 4;
/** Looks that lie further apart belong to two waits, ms. */
const PAUSE = 20;

/** `setImmediate`, but for functions of native code without a name, which Dawn's are and nobody else's. */
export function restingImmediate({ immediate, later, now }: Clock): Immediate {
  let began = -Infinity;
  let last = -Infinity;
  return (callback, ...args) => {
    if (callback.name !== '' || !Function.prototype.toString.call(callback).endsWith('{ [native code] }')) return immediate(callback, ...args);
    const time = now();
    if (time - last > PAUSE) began = time;
    last = time;
    return time - began < SPIN ? immediate(callback, ...args) : later(callback, ...args);
  };
}

let rests = false;

/** From now on, in this process. Before Dawn is loaded. */
export function letDawnRest(): void {
  if (rests) return;
  rests = true;
  const { setImmediate: immediate, setTimeout: timeout } = globalThis;
  const resting = restingImmediate({ immediate, later: (callback, ...args) => timeout(callback, 1, ...args), now: () => performance.now() });
  // What hangs on the function, such as its promise form, goes along.
  Object.defineProperties(resting, Object.getOwnPropertyDescriptors(immediate));
  globalThis.setImmediate = resting as typeof setImmediate;
}
