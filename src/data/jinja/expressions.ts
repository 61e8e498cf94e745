/** Evaluates the expressions of a template. */
import { getAttribute, getItem } from './attributes.ts';
import type { Budget } from './budget.ts';
import { compareValues, contains, isEqual } from './comparison.ts';
import { NotExact, TemplateFailure } from './failures.ts';
import type { FilterEnvironment } from './filter.ts';
import { FILTERS } from './filters.ts';
import { variableOf } from './frames.ts';
import type { Scope } from './frames.ts';
import { LoopState } from './loop.ts';
import { binary, negative, positive, slice } from './operators.ts';
import { printed } from './printing.ts';
import type { CallArguments, CallNode, CompareOperator, Expression, FilterNode } from './syntax.ts';
import { TESTS } from './tests.ts';
import { Callable, Dict, Tuple, Undefined, isTrue, iterate, typeName } from './values.ts';
import type { Arguments, Value } from './values.ts';

export class ExpressionEvaluator implements FilterEnvironment {
  protected readonly budget: Budget;
  private readonly isStrict: boolean;

  constructor(budget: Budget, isStrict: boolean) {
    this.budget = budget;
    this.isStrict = isStrict;
  }

  filter(name: string, given: Arguments): Value {
    const filter = FILTERS.get(name);
    if (filter === undefined) throw new TemplateFailure(`No filter named '${name}'.`);
    this.budget.spend(1 + cost(given.args[0]));
    return filter(given, this);
  }

  test(name: string, given: Arguments): boolean {
    const test = TESTS.get(name);
    if (test === undefined) throw new TemplateFailure(`No test named '${name}'.`);
    this.budget.spend(1 + cost(given.args[1]));
    return test(given);
  }

  /** What printing a value gives. */
  protected shown(value: Value): string {
    this.mustBe(value);
    return printed(value);
  }

  /** @throws TemplateFailure for what is not there, where that is not to be passed over */
  protected mustBe(value: Value): void {
    if (this.isStrict && value instanceof Undefined) throw new TemplateFailure(value.message);
  }

  evaluate(node: Expression, scope: Scope): Value {
    switch (node.type) {
      case 'const':
        return node.value;
      case 'data':
        return node.text;
      case 'name':
        return this.variable(node.name, scope);
      case 'attribute':
        return getAttribute(this.evaluate(node.node, scope), node.name);
      case 'item':
        return this.item(node.node, node.index, scope);
      case 'tuple':
        return new Tuple(node.items.map((item) => this.evaluate(item, scope)));
      case 'list':
        return node.items.map((item) => this.evaluate(item, scope));
      case 'dict':
        return Dict.of(node.items.map(({ key, value }): [Value, Value] => [this.evaluate(key, scope), this.evaluate(value, scope)]));
      case 'condition':
        if (isTrue(this.evaluate(node.test, scope))) return this.evaluate(node.then, scope);
        if (node.otherwise !== undefined) return this.evaluate(node.otherwise, scope);
        return new Undefined(`the inline if-expression on line ${node.line} evaluated to false and no else section was defined.`);
      case 'and': {
        const left = this.evaluate(node.left, scope);
        return isTrue(left) ? this.evaluate(node.right, scope) : left;
      }
      case 'or': {
        const left = this.evaluate(node.left, scope);
        return isTrue(left) ? left : this.evaluate(node.right, scope);
      }
      case 'not':
        return !isTrue(this.evaluate(node.node, scope));
      case 'negative':
        return negative(this.evaluate(node.node, scope));
      case 'positive':
        return positive(this.evaluate(node.node, scope));
      case 'binary':
        return this.binary(node, scope);
      case 'concat': {
        const text = node.nodes.map((part) => this.shown(this.evaluate(part, scope))).join('');
        this.budget.spend(text.length >> 4);
        return text;
      }
      case 'compare':
        return this.comparison(node, scope);
      case 'filter':
        return this.filtered(node, undefined, scope);
      case 'test': {
        const { args, kwargs } = this.given(node.call, scope);
        return this.test(node.name, { args: [this.evaluate(node.node, scope), ...args], kwargs });
      }
      case 'call':
        return this.call(node, scope);
      case 'slice':
      case 'namespace':
        throw new NotExact(`a ${node.type} is not supported where it stands`, node.line);
    }
  }

  private variable(name: string, scope: Scope): Value {
    const value = scope.activation.get(variableOf(scope, name));
    return value === undefined ? new Undefined(`'${name}' is undefined`) : value;
  }

  private item(node: Expression, index: Expression, scope: Scope): Value {
    const value = this.evaluate(node, scope);
    if (index.type !== 'slice') return getItem(value, this.evaluate(index, scope));
    const bound = (part: Expression | undefined): Value => (part === undefined ? null : this.evaluate(part, scope));
    this.budget.spend(cost(value));
    return slice(value, bound(index.start), bound(index.stop), bound(index.step));
  }

  private binary(node: Extract<Expression, { type: 'binary' }>, scope: Scope): Value {
    const result = binary(node.operator, this.evaluate(node.left, scope), this.evaluate(node.right, scope));
    this.budget.spend(cost(result));
    return result;
  }

  private comparison(node: Extract<Expression, { type: 'compare' }>, scope: Scope): Value {
    let left = this.evaluate(node.node, scope);
    for (const operand of node.operands) {
      const right = this.evaluate(operand.node, scope);
      this.budget.spend(cost(right));
      if (!compare(operand.operator, left, right)) return false;
      left = right;
    }
    return true;
  }

  /** @param block the text of a block, where the filter stands at its head */
  protected filtered(node: FilterNode, block: string | undefined, scope: Scope): Value {
    const inner = node.node;
    let value: Value = block ?? '';
    if (inner !== undefined) value = inner.type === 'filter' ? this.filtered(inner, block, scope) : this.evaluate(inner, scope);
    const { args, kwargs } = this.given(node.call, scope);
    return this.filter(node.name, { args: [value, ...args], kwargs });
  }

  private given(call: CallArguments, scope: Scope): { args: Value[]; kwargs: Map<string, Value> } {
    const args = call.args.map((arg) => this.evaluate(arg, scope));
    const kwargs = new Map(call.kwargs.map(({ key, value }): [string, Value] => [key, this.evaluate(value, scope)]));
    if (call.rest !== undefined) args.push(...iterate(this.evaluate(call.rest, scope)));
    if (call.keywordRest !== undefined) {
      const more = this.evaluate(call.keywordRest, scope);
      if (!(more instanceof Dict)) throw new TemplateFailure(`argument after ** must be a mapping, not ${typeName(more)}`);
      for (const [key, value] of more.entries()) {
        if (typeof key !== 'string') throw new TemplateFailure('keywords must be strings');
        if (kwargs.has(key)) throw new TemplateFailure(`got multiple values for keyword argument '${key}'`);
        kwargs.set(key, value);
      }
    }
    return { args, kwargs };
  }

  protected call(node: CallNode, scope: Scope, caller?: Callable): Value {
    const callee = this.evaluate(node.node, scope);
    const given = this.given(node.call, scope);
    if (caller !== undefined) given.kwargs.set('caller', caller);
    if (callee instanceof Undefined) throw new TemplateFailure(callee.message, node.line);
    if (callee instanceof LoopState) return callee.call(given);
    if (!(callee instanceof Callable)) throw new TemplateFailure(`'${typeName(callee)}' object is not callable`, node.line);
    this.budget.spend(1);
    const result = callee.call(given);
    this.budget.spend(cost(result));
    return result;
  }
}

function compare(operator: CompareOperator, left: Value, right: Value): boolean {
  switch (operator) {
    case '==':
      return isEqual(left, right);
    case '!=':
      return !isEqual(left, right);
    case 'in':
      return contains(right, left);
    case 'not in':
      return !contains(right, left);
    case '<':
      return compareValues(left, right, operator) < 0;
    case '<=':
      return compareValues(left, right, operator) <= 0;
    case '>':
      return compareValues(left, right, operator) > 0;
    case '>=':
      return compareValues(left, right, operator) >= 0;
  }
}

/** Steps that going through a value takes. */
function cost(value: Value | undefined): number {
  if (typeof value === 'string') return value.length >> 4;
  if (Array.isArray(value)) return value.length >> 2;
  if (value instanceof Tuple) return value.items.length >> 2;
  return value !== null && typeof value === 'object' && 'length' in value ? Number(value.length) >> 2 : 0;
}
