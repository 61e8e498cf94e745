/** Whatever a file or a server puts into a message, a terminal only ever prints it. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { main } from '../../src/run/main.ts';
import type { Surroundings } from '../../src/run/main.ts';
import { processSurroundings } from '../../node/cli.ts';
import { nodePlatform } from '../../node/platform.ts';
import { trainProgram } from '../../src/options.ts';
import { UserError } from '../../src/platform.ts';
import { CLEAR_LINE, printable, printableWrite } from '../../src/track/printable.ts';

test('escapes, carriage returns, C1 and bidirectional marks are shown, letters of all languages are not touched', () => {
  expect(printable('a\x1b[2J\x1b]0;title\x07b\rc\x9bd\x7f')).toBe('a\\u001b[2J\\u001b]0;title\\u0007b\\u000dc\\u009bd\\u007f');
  expect(printable('scan\u202egnp.exe\u2066')).toBe('scan\\u202egnp.exe\\u2066');
  expect(printable('one\r\ntwo\tthree\n')).toBe('one\ntwo\tthree\n');
  expect(printable('Größe µ 肝臓 עברית 👩‍🔬 ▕██▏')).toBe('Größe µ 肝臓 עברית 👩‍🔬 ▕██▏');
});

test('lines are redrawn by whole writes alone', () => {
  expect(printableWrite(`${CLEAR_LINE}3 of 9`)).toBe(`${CLEAR_LINE}3 of 9`);
  expect(printableWrite(`${CLEAR_LINE}9 of 9${CLEAR_LINE}`)).toBe(`${CLEAR_LINE}9 of 9${CLEAR_LINE}`);
  expect(printableWrite(CLEAR_LINE)).toBe(CLEAR_LINE);
  expect(printableWrite(`a${CLEAR_LINE}b\n`)).toBe('a\\u000d\\u001b[Kb\n');
});

test('a line of JSON keeps its meaning', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.array(fc.constantFrom(0x1b, 0x9b, 0x202e, 0x2028, 13, 10, 0x7f)), (text, controls) => {
      const value = { [text]: text + String.fromCharCode(...controls) };
      const line = printable(JSON.stringify(value));
      expect(JSON.parse(line)).toEqual(value);
      expect(line).not.toMatch(/[\0-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
    }),
  );
});

test.each([UserError, TypeError])('an error of any kind: %o', async (Kind) => {
  const written: string[] = [];
  const { write } = process.stderr;
  process.stderr.write = ((text: string) => written.push(text) > 0) as typeof write;
  try {
    const own = processSurroundings(nodePlatform);
    const around: Surroundings = { ...own, argv: ['--base_model_hf', 'x', '--train_file', 'x'], env: {} };
    await main(trainProgram, () => Promise.reject(new Kind('rows.jsonl:1: the role "\x1b]0;owned\x07\u202e" is unknown')), around);
  } finally {
    process.stderr.write = write;
  }
  expect(written.join('')).toContain('the role "\\u001b]0;owned\\u0007\\u202e" is unknown');
  expect(written.join('')).not.toMatch(/[\x1b\x07\u202e]/);
});
