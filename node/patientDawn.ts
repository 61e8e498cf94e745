/**
 * While anything of the GPU is awaited, Dawn asks for news of it in every turn of the event loop, by `setImmediate`: a whole core, of which
 * a software GPU on two cores is then short by a third (test/bench/RESULTS.md). Here Dawn gets a `setImmediate` that is prompt for a
 * moment, since short waits should stay short, and then comes every other millisecond. Dawn looks for that function on the global object
 * each time; nobody else's calls are touched.
 */

/** A wait is prompt so long: what takes longer is not noticeably longer for a late answer. */
const PROMPT_MS = 10;
const PAUSE_MS = 1;

type Immediate = (callback: (...given: unknown[]) => void, ...given: unknown[]) => unknown;

/** Dawn's callbacks are C++. */
function isNative(callback: unknown): boolean {
  return typeof callback === 'function' && Function.prototype.toString.call(callback).includes('[native code]');
}

/**
 * `setImmediate` for native callbacks that ask for themselves again for as long as they wait.
 * @param instance Dawn's instance, where it is still there: it must outlive the callbacks that are on their way, or they call into freed
 * memory
 */
export function patient(
  immediate: Immediate,
  now: () => number = () => performance.now(),
  instance: () => unknown = () => undefined,
): Immediate {
  let isAsked = false;
  let since = 0;
  const kept = new Set<{ instance: unknown }>();
  return (callback, ...given) => {
    if (!isNative(callback)) return immediate(callback, ...given);
    // Asked for by itself: the wait goes on. By anyone else: one begins.
    if (!isAsked) since = now();
    const hold = { instance: instance() };
    kept.add(hold);
    const asked = (): void => {
      isAsked = true;
      try {
        callback(...given); // which asks again, and holds again, before this hold ends
      } finally {
        isAsked = false;
        kept.delete(hold);
      }
    };
    return now() - since < PROMPT_MS ? immediate(asked) : setTimeout(asked, PAUSE_MS);
  };
}

let isPatient = false;
/** Weak: whoever opened it lets go of it when it is to end (`releaseGpu`). */
let opened: WeakRef<object> | undefined;

/** From now on, in this process. */
export function makeDawnPatient(): void {
  if (isPatient) return;
  isPatient = true;
  const { setImmediate: own } = globalThis;
  const ours = patient(own as Immediate, undefined, () => opened?.deref());
  // With its properties: util.promisify's is among them.
  globalThis.setImmediate = Object.defineProperties(ours as typeof own, Object.getOwnPropertyDescriptors(own));
}

/** The instance whose callbacks come late from now on. */
export function outlives(instance: object): void {
  opened = new WeakRef(instance);
}
