/**
 * Imports run one way: kernels ← gpu ← tune ← ops ← models ← train ← run ← api ← {node, web}. This check reads every import of src, node and web (static, type-only,
 * re-exported, dynamic and import.meta.glob), and fails on one that runs against the table below, on a package that does not run in every
 * runtime, and on a cycle between files, of types too: what two files need of each other is a third idea. What a file may touch of the runtime itself (document, process, …) is eslint.config.js's part.
 *
 * Run: node test/check/imports.mjs [root]. Exit status 1 and one line per offender, `file:line: what, and what is allowed`.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = resolve(process.argv[2] ?? fileURLToPath(new URL('../..', import.meta.url)));

/** What each layer may import, beside itself. `src/<name>.ts` files are layers of their own; index is the public API and sees all of src. */
const BELOW_RUN = ['platform', 'options', 'gpu', 'tune', 'ops', 'models', 'io', 'data', 'track', 'hub', 'world', 'train'];
const SRC = [...BELOW_RUN, 'run'];
const MAY_IMPORT = {
  platform: [],
  gpu: ['kernels', 'platform'],
  tune: ['gpu', 'platform'],
  ops: ['tune', 'gpu', 'platform'],
  io: ['platform'],
  data: ['io', 'platform'],
  track: ['io', 'platform'],
  world: ['platform'],
  hub: ['io', 'data', 'track', 'platform'],
  models: ['ops', 'tune', 'gpu', 'io', 'data', 'platform'],
  options: ['models', 'io', 'data', 'track', 'platform'],
  train: BELOW_RUN,
  run: BELOW_RUN,
  api: SRC,
  transformers: ['models', 'data', 'platform'],
  index: [...SRC, 'api'],
  node: [...SRC, 'api', 'index'],
  web: [...SRC, 'api', 'index'],
};

/** Packages that run in Node, Deno, Bun and the browser alike. A new one must argue its case here. */
const PACKAGES_OF_SRC = ['@huggingface/tokenizers', 'dicom-parser', 'fflate', 'nifti-reader-js', 'yaml', 'hyparquet', 'hyparquet-compressors', 'hyparquet-writer', 'hono'];

/** @param {string} folder @returns {string[]} */
function sourceFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : sourceFiles(path);
      return /\.(ts|tsx|mts|js|mjs)$/.test(entry.name) && !entry.name.endsWith('.d.ts') ? [path] : [];
    });
}

/** The layer a path belongs to, or undefined outside of src, kernels, node and web. @param {string} path */
function layerOf(path) {
  const parts = relative(root, path).split(sep);
  if (parts[0] !== 'src') return ['kernels', 'node', 'web', 'test'].includes(parts[0]) ? parts[0] : undefined;
  return parts.length > 2 ? parts[1] : parts[1].replace(/\.ts$/, '');
}

/**
 * Every import of a file.
 * @param {string} path @returns {{specifier: string, line: number, glob?: boolean}[]}
 */
function importsOf(path) {
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const found = [];
  const add = (node, literal, glob = false) => {
    const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
    if (literal && ts.isStringLiteralLike(literal)) found.push({ specifier: literal.text, line, glob });
    else if (literal) found.push({ specifier: `(computed: ${literal.getText(source).slice(0, 40)})`, line, glob });
  };
  const visit = (node) => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      if (node.moduleSpecifier) add(node, node.moduleSpecifier);
    } else if (ts.isImportTypeNode(node)) add(node, node.argument.literal);
    else if (ts.isCallExpression(node)) {
      const callee = node.expression.getText(source);
      if (callee === 'import' || callee === 'require') add(node, node.arguments[0]);
      if (callee === 'import.meta.glob') {
        const patterns = node.arguments[0];
        for (const one of patterns && ts.isArrayLiteralExpression(patterns) ? patterns.elements : [patterns]) add(node, one, true);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** @param {string} specifier */
const packageName = (specifier) => specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/');

const offenders = [];
/** file → [{to, line}] @type {Map<string, {to: string, line: number}[]>} */
const graph = new Map();
const files = ['src', 'node', 'web'].flatMap((folder) => sourceFiles(join(root, folder)));

for (const file of files) {
  const from = layerOf(file);
  const name = relative(root, file);
  const inSrc = name.startsWith(`src${sep}`);
  const allowed = MAY_IMPORT[from];
  if (!allowed) {
    offenders.push(`${name}:1: "${from}" is no layer; src has ${[...SRC, 'index'].join(', ')} (test/check/imports.mjs)`);
    continue;
  }
  graph.set(file, []);
  for (const { specifier, line, glob } of importsOf(file)) {
    const offend = (what) => offenders.push(`${name}:${line}: ${what}`);
    if (specifier.startsWith('(computed')) {
      if (inSrc) offend(`imports ${specifier}; src imports by literal names only, so that bundlers and this check can follow`);
    } else if (specifier.startsWith('.') || specifier.startsWith('/')) {
      const target = resolve(dirname(file), (glob ? specifier.replace(/\*.*$/, '') : specifier).replace(/\?.*$/, ''));
      const to = layerOf(glob ? join(target, 'x') : target);
      if (to !== from && (to === undefined || !allowed.includes(to)))
        offend(`imports ${specifier} (${to ?? 'outside the layers'}); ${from} may import ${allowed.join(', ') || 'nothing'}`);
      else if (!glob && inSrc && !/\.[a-z]+(\?.*)?$/.test(specifier)) offend(`imports ${specifier}; write the extension: ${specifier}.ts`);
      if (!glob) graph.get(file).push({ to: target, line });
    } else if (inSrc && specifier.startsWith('node:')) {
      offend(`imports ${specifier}; src runs in the browser too and reaches the outside world through src/platform.ts`);
    } else if (inSrc && !PACKAGES_OF_SRC.includes(packageName(specifier))) {
      offend(`imports ${specifier}; packages allowed in src: ${PACKAGES_OF_SRC.join(', ')}`);
    }
  }
}

/** Depth first; a file met again while still on the path closes a cycle. */
const state = new Map();
const path = [];
function walk(file) {
  state.set(file, 'open');
  path.push(file);
  for (const { to, line } of graph.get(file) ?? []) {
    if (!graph.has(to)) continue;
    if (state.get(to) === 'open') {
      const cycle = [...path.slice(path.indexOf(to)), to].map((p) => relative(root, p));
      offenders.push(`${relative(root, file)}:${line}: import cycle ${cycle.join(' → ')}; move what both need into a third file`);
    } else if (!state.has(to)) walk(to);
  }
  path.pop();
  state.set(file, 'done');
}
for (const file of files) if (!state.has(file)) walk(file);

for (const line of offenders) console.error(line);
console.log(`imports: ${files.length} files, ${offenders.length === 0 ? 'all run one way' : `${offenders.length} offenders`}`);
process.exitCode = offenders.length === 0 ? 0 : 1;
