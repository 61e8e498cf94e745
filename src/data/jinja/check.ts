/** What is refused before a template is used: everything whose rendering is not known to be Jinja2's. */
import { UNSUPPORTED_ATTRIBUTES } from './attributes.ts';
import { NotExact, TemplateFailure } from './failures.ts';
import { FILTERS, UNSUPPORTED_FILTERS } from './filters.ts';
import { formatFields, formatPercent } from './formatting.ts';
import { UNSUPPORTED_GLOBALS } from './globals.ts';
import { strftime } from './strftime.ts';
import { childrenOf } from './syntax.ts';
import type { Expression, Node, Statement } from './syntax.ts';
import { TESTS, UNSUPPORTED_TESTS } from './tests.ts';
import { Tuple } from './values.ts';

/** @throws NotExact or TemplateFailure with the line of the first construct that is not supported */
export function refuseUnsupported(body: readonly Statement[]): void {
  const stored = new Set<string>();
  const collect = (node: Node): void => {
    if (node.type === 'name' && node.use !== 'load') stored.add(node.name);
    if (node.type === 'macro') stored.add(node.name);
    childrenOf(node).forEach(collect);
  };
  body.forEach(collect);
  const visit = (node: Node): void => {
    refuse(node, stored);
    childrenOf(node).forEach(visit);
  };
  body.forEach(visit);
}

function refuse(node: Node, stored: ReadonlySet<string>): void {
  switch (node.type) {
    case 'filter':
      checkFilter(node.name, node.line);
      if (node.name === 'map') constantNames(node.call.args.slice(0, 1), (name) => checkFilter(name, node.line));
      if (node.name === 'select' || node.name === 'reject')
        constantNames(node.call.args.slice(0, 1), (name) => checkTest(name, node.line));
      if (node.name === 'selectattr' || node.name === 'rejectattr')
        constantNames(node.call.args.slice(1, 2), (name) => checkTest(name, node.line));
      if (node.name === 'format' && node.node?.type === 'const') tryFormat(node.node.value, node.line);
      return;
    case 'test':
      return checkTest(node.name, node.line);
    case 'name':
      if (node.use === 'load' && UNSUPPORTED_GLOBALS.has(node.name) && !stored.has(node.name))
        notSupported(`the function ${node.name}()`, node.line);
      return;
    case 'for':
      if (targetNames(node.target).includes('loop'))
        throw new TemplateFailure("Can't assign to special loop variable in for-loop target", node.line);
      return;
    case 'binary':
      if (node.operator === '%' && node.left.type === 'const') tryFormat(node.left.value, node.line);
      return;
    case 'call':
      return checkCall(node);
    case 'item':
      if (node.index.type === 'tuple' && node.index.items.some((item) => item.type === 'slice'))
        notSupported('an index of several slices', node.line);
      return;
    default:
  }
}

function checkCall(node: Extract<Expression, { type: 'call' }>): void {
  const { node: callee, call } = node;
  const [first] = call.args;
  if (callee.type === 'attribute' && UNSUPPORTED_ATTRIBUTES.has(callee.name)) notSupported(`the method ${callee.name}()`, node.line);
  if (callee.type === 'attribute' && callee.name === 'format' && callee.node.type === 'const' && typeof callee.node.value === 'string') {
    const text = callee.node.value;
    exactly(() => formatFields(text, { args: [], kwargs: new Map() }), node.line);
  }
  if (callee.type === 'name' && callee.name === 'strftime_now' && first?.type === 'const' && typeof first.value === 'string') {
    const format = first.value;
    exactly(() => strftime(new Date(0), format), node.line);
  }
}

function checkFilter(name: string, line: number): void {
  if (UNSUPPORTED_FILTERS.has(name)) notSupported(`the filter ${name}`, line);
  if (!FILTERS.has(name)) throw new TemplateFailure(`No filter named '${name}'.`, line);
}

function checkTest(name: string, line: number): void {
  if (UNSUPPORTED_TESTS.has(name)) notSupported(`the test ${name}`, line);
  if (!TESTS.has(name)) throw new TemplateFailure(`No test named '${name}'.`, line);
}

function constantNames(args: readonly Expression[], check: (name: string) => void): void {
  for (const arg of args) if (arg.type === 'const' && typeof arg.value === 'string') check(arg.value);
}

function targetNames(target: Expression): string[] {
  return target.type === 'name' ? [target.name] : childrenOf(target).flatMap((child) => targetNames(child as Expression));
}

function tryFormat(text: unknown, line: number): void {
  if (typeof text === 'string') exactly(() => formatPercent(text, new Tuple([])), line);
}

/** Runs something without its values: only what is not supported counts. */
function exactly(run: () => void, line: number): void {
  try {
    run();
  } catch (cause) {
    if (cause instanceof NotExact) throw new NotExact(cause.message, line);
  }
}

function notSupported(what: string, line: number): never {
  throw new NotExact(`${what} is not supported`, line);
}
