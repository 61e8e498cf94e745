/**
 * Lint: what the type checker cannot see and a GPU program cannot afford: a promise nobody awaits (a lost device error, a half-written
 * checkpoint) and an `any` that hides a wrong shape. Style is left to the eye, but for how long files and lines may be.
 */
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  // Examples import the package by its name; test/package checks them where it is installed.
  globalIgnores(['dist/', 'node_modules/', '.vernier/', 'outputs/', 'node/examples/', 'web/examples/', 'test/package/consumer.ts']),
  { linterOptions: { reportUnusedDisableDirectives: 'error', noInlineConfig: true } },
  { rules: { 'max-lines': ['warn', { max: 400 }], eqeqeq: 'error', 'no-debugger': 'error', 'no-var': 'error', 'prefer-const': 'error' } },
  {
    // What is read most is read whole, on half a screen.
    files: ['src/**', 'node/**', 'web/**'].flatMap((folder) => [`${folder}/*.ts`, `${folder}/*.tsx`, `${folder}/*.mjs`, `${folder}/*.js`]),
    ignores: ['src/gpu/kernelTexts.ts'],
    rules: { 'max-lines': ['error', { max: 400 }], 'max-len': ['error', { code: 140 }] },
  },
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [tseslint.configs.base],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unsafe-assignment': 'error',
      '@typescript-eslint/no-unsafe-argument': 'error',
      '@typescript-eslint/no-unsafe-call': 'error',
      '@typescript-eslint/no-unsafe-member-access': 'error',
      '@typescript-eslint/no-unsafe-return': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/ban-ts-comment': 'error',
    },
  },
  {
    // src runs in a browser's worker as well as in Node; what it needs of either comes through src/platform.ts.
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        {
          globals: ['document', 'window', 'localStorage', 'process', 'Buffer', 'require', '__dirname', 'Deno', 'Bun'].map((name) => ({
            name,
            message: 'src runs in every runtime; take it from the Platform (src/platform.ts).',
          })),
          checkGlobalObject: true,
        },
      ],
    },
  },
);
