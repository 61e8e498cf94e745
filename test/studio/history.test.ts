/** What was done to drawings is undone and done again, whatever else came in between. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { DrawnAnnotation } from '../../src/data/drawn/annotation.ts';
import { History } from '../../web/data/history.ts';

const box = (id: string, label = id): DrawnAnnotation => ({
  id,
  scan: 's',
  plane: 'axial',
  slice: 1,
  shape: 'box',
  label,
  landmarks: [],
  points: [
    [0, 0],
    [9, 9],
  ],
});
const [a, b, c] = [box('a'), box('b'), box('c')];

it('steps go back and forth, in the places that drawings had', () => {
  const history = new History();
  expect(history.undo([])).toBeUndefined();
  history.remember([a, b], [a, b, c]);
  history.remember([a, b, c], [a, c]);
  expect(history.undo([a, c])).toEqual({ annotations: [a, b, c], changed: [b] });
  expect(history.undo([a, b, c])).toEqual({ annotations: [a, b], changed: [c] });
  expect([history.canUndo, history.canRedo]).toEqual([false, true]);
  expect(history.redo([a, b])?.annotations).toEqual([a, b, c]);
  expect(history.redo([a, b, c])?.annotations).toEqual([a, c]);
});

it('what came from elsewhere meanwhile stays, and a new step ends what could be done again', () => {
  const history = new History();
  history.remember([a], [box('a', 'other')]);
  const imported = box('imported');
  expect(history.undo([box('a', 'other'), imported])?.annotations).toEqual([a, imported]);
  history.remember([a, imported], [imported]);
  expect(history.canRedo).toBe(false);
});

it('what was looked at and not changed is no step', () => {
  const history = new History();
  history.remember([a, b], [a, { ...b }]);
  expect(history.canUndo).toBe(false);
});

it('any steps: all undone is the beginning, all done again the end', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ id: fc.nat(6), label: fc.constantFrom('x', 'y', '') }), { maxLength: 30 }), (steps) => {
      const history = new History();
      const begin = [a, b];
      let now: DrawnAnnotation[] = begin;
      for (const { id, label } of steps) {
        const own = now.filter((one) => one.id !== String(id));
        const next =
          label === ''
            ? own
            : now.length > own.length
              ? now.map((one) => (one.id === String(id) ? box(one.id, label) : one))
              : [...now, box(String(id), label)];
        history.remember(now, next);
        now = next;
      }
      const last = now;
      for (let moved = history.undo(now); moved; moved = history.undo(now)) now = moved.annotations;
      expect(now).toEqual(begin);
      for (let moved = history.redo(now); moved; moved = history.redo(now)) now = moved.annotations;
      expect(now).toEqual(last);
    }),
  );
});
