/** State that belongs to an object of another room, and goes with it: read and changed from whichever step is looked at. */
import { signal } from '@preact/signals';
import type { Signal } from '@preact/signals';

/** @returns the signal of an owner, null at first */
export function signalOfEach<Owner extends object, Value>(): (owner: Owner) => Signal<Value | null> {
  const signals = new WeakMap<Owner, Signal<Value | null>>();
  return (owner) => {
    let found = signals.get(owner);
    if (found === undefined) signals.set(owner, (found = signal(null)));
    return found;
  };
}
