/** Dawn's looks for events rest once a wait is long; everybody else's `setImmediate` is as it was. */
import { describe, expect, it } from 'vitest';
import { restingImmediate } from '../../node/dawnTicks.ts';

/** As the functions that Dawn makes: of native code, without a name. */
function dawns(): () => void {
  return new Proxy(() => undefined, {});
}

function clock() {
  const calls: string[] = [];
  let time = 1000;
  const set = restingImmediate({ immediate: () => calls.push('at once'), later: () => calls.push('later'), now: () => time });
  return {
    look(ms: number, callback: () => void) {
      time += ms;
      set(callback);
      return calls.at(-1);
    },
  };
}

describe('restingImmediate', () => {
  it('lets Dawn spin through the first milliseconds of a wait and rest from then on', () => {
    const { look } = clock();
    expect([0, 1, 2].map((ms) => look(ms, dawns()))).toEqual(['at once', 'at once', 'at once']);
    expect([2, 1, 1, 10].map((ms) => look(ms, dawns()))).toEqual(['later', 'later', 'later', 'later']);
  });

  it('takes what comes after a pause for another wait', () => {
    const { look } = clock();
    look(0, dawns());
    expect(look(5, dawns())).toBe('later');
    expect(look(100, dawns())).toBe('at once');
  });

  it('leaves functions that are not native, or have a name, alone', () => {
    const { look } = clock();
    look(0, dawns());
    expect(look(10, dawns())).toBe('later');
    expect(look(0, () => undefined)).toBe('at once');
    expect(look(0, function named() {}.bind(undefined))).toBe('at once');
    expect(look(0, dawns())).toBe('later');
  });

  it('is what Node has where Dawn is in use, with its promise form', async () => {
    const { nodePlatform } = await import('../../node/platform.ts');
    await nodePlatform.gpu();
    const { setImmediate: promised } = await import('node:timers/promises');
    const { promisify } = await import('node:util');
    await promised();
    await promisify(setImmediate)();
  });
});
