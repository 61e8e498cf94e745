/** The lint rules a GPU program cannot do without do fire: each snippet is linted as if it were the text of src/platform.ts. */
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const eslint = new ESLint({ cwd: root });

test.each([
  ['@typescript-eslint/no-floating-promises', 'async function f(): Promise<void> {}\nexport const g = (): void => {\n  f();\n};'],
  ['@typescript-eslint/no-misused-promises', 'export const g = (a: number[]): void => a.forEach(async () => {});'],
  ['@typescript-eslint/no-explicit-any', 'export const a = (x: any): boolean => x === 1;'],
  ['@typescript-eslint/no-unsafe-member-access', "export const a = (): boolean => JSON.parse('{}').b === 1;"],
  ['@typescript-eslint/consistent-type-imports', "import { UserError } from './platform.ts';\nexport const f = (e: UserError): string => e.message;"],
  ['@typescript-eslint/ban-ts-comment', '// @ts-ignore\nexport const a: number = "1";'],
  ['no-restricted-globals', 'export const a = document.title;'],
  ['no-restricted-globals', 'export const a = globalThis.window;'],
  ['no-restricted-globals', 'export const a = process.env;'],
  ['max-lines', `${'\n'.repeat(401)}export const a = 1;`],
])('%s', async (rule, text) => {
  const [result] = await eslint.lintText(`${text}\n`, { filePath: 'src/platform.ts' });
  expect(result?.messages.map((m) => m.ruleId)).toContain(rule);
});

test('a local name that happens to be a global one is no offence', async () => {
  const [result] = await eslint.lintText('export const f = (window: number): number => window * 2;\n', { filePath: 'src/platform.ts' });
  expect(result?.messages).toEqual([]);
});
