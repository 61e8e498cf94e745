/** The syntax tree of a Jinja template: what the parser makes and the other files walk. The nodes are those of Jinja2's `nodes.py`. */

export type BinaryOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**';
export type CompareOperator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';

export interface CallArguments {
  args: Expression[];
  kwargs: { key: string; value: Expression }[];
  /** `*args` */
  rest: Expression | undefined;
  /** `**kwargs` */
  keywordRest: Expression | undefined;
}

export type NameNode = { type: 'name'; name: string; use: 'load' | 'store' | 'param'; line: number };
export type TupleNode = { type: 'tuple'; items: Expression[]; line: number };
/** `ns.attr` as the target of a `set`. */
export type NamespaceTarget = { type: 'namespace'; name: string; attr: string; line: number };
/** `node` is undefined where the filtered text is that of a block (`{% filter upper %}`, `{% set x | trim %}`). */
export type FilterNode = { type: 'filter'; node: Expression | undefined; name: string; call: CallArguments; line: number };
export type SliceNode = {
  type: 'slice';
  start: Expression | undefined;
  stop: Expression | undefined;
  step: Expression | undefined;
  line: number;
};
export type CallNode = { type: 'call'; node: Expression; call: CallArguments; line: number };

export type Expression =
  | NameNode
  | TupleNode
  | NamespaceTarget
  | FilterNode
  | SliceNode
  | CallNode
  | { type: 'const'; value: string | bigint | number | boolean | null; line: number }
  | { type: 'data'; text: string; line: number }
  | { type: 'list'; items: Expression[]; line: number }
  | { type: 'dict'; items: { key: Expression; value: Expression }[]; line: number }
  | { type: 'condition'; test: Expression; then: Expression; otherwise: Expression | undefined; line: number }
  | { type: 'and' | 'or'; left: Expression; right: Expression; line: number }
  | { type: 'not' | 'negative' | 'positive'; node: Expression; line: number }
  | { type: 'compare'; node: Expression; operands: { operator: CompareOperator; node: Expression }[]; line: number }
  | { type: 'binary'; operator: BinaryOperator; left: Expression; right: Expression; line: number }
  | { type: 'concat'; nodes: Expression[]; line: number }
  | { type: 'attribute'; node: Expression; name: string; line: number }
  | { type: 'item'; node: Expression; index: Expression; line: number }
  | { type: 'test'; node: Expression; name: string; call: CallArguments; line: number };

export type Target = NameNode | TupleNode | NamespaceTarget;

export interface MacroBody {
  args: NameNode[];
  defaults: Expression[];
  body: Statement[];
}

export type ForNode = {
  type: 'for';
  target: Expression;
  iterable: Expression;
  test: Expression | undefined;
  recursive: boolean;
  body: Statement[];
  otherwise: Statement[];
  line: number;
};
export type IfNode = { type: 'if'; test: Expression; body: Statement[]; elifs: IfNode[]; otherwise: Statement[]; line: number };
export type MacroNode = { type: 'macro'; name: string; line: number } & MacroBody;
/** `call` is undefined for `{% generation %}`, which renders its body as a caller without arguments. */
export type CallBlockNode = { type: 'callBlock'; call: CallNode | undefined; line: number } & MacroBody;
export type AssignBlockNode = {
  type: 'assignBlock';
  target: Expression;
  filter: FilterNode | undefined;
  body: Statement[];
  line: number;
};
export type FilterBlockNode = { type: 'filterBlock'; filter: FilterNode; body: Statement[]; line: number };
export type WithNode = { type: 'with'; targets: Expression[]; values: Expression[]; body: Statement[]; line: number };

export type Statement =
  | ForNode
  | IfNode
  | MacroNode
  | CallBlockNode
  | AssignBlockNode
  | FilterBlockNode
  | WithNode
  | { type: 'output'; nodes: Expression[]; line: number }
  | { type: 'assign'; target: Expression; node: Expression; line: number }
  | { type: 'break' | 'continue'; line: number };

export type Node = Statement | Expression;

/** The nodes right under a node, in the order of Jinja2's fields. */
export function childrenOf(node: Node): Node[] {
  switch (node.type) {
    case 'for':
      return [node.target, node.iterable, ...node.body, ...node.otherwise, ...present(node.test)];
    case 'if':
      return [node.test, ...node.body, ...node.elifs, ...node.otherwise];
    case 'macro':
      return [...node.args, ...node.defaults, ...node.body];
    case 'callBlock':
      return [...present(node.call), ...node.args, ...node.defaults, ...node.body];
    case 'assignBlock':
      return [node.target, ...present(node.filter), ...node.body];
    case 'filterBlock':
      return [...node.body, node.filter];
    case 'with':
      return [...node.targets, ...node.values, ...node.body];
    case 'output':
    case 'concat':
      return node.nodes;
    case 'assign':
      return [node.target, node.node];
    case 'tuple':
    case 'list':
      return node.items;
    case 'dict':
      return node.items.flatMap(({ key, value }) => [key, value]);
    case 'filter':
    case 'test':
    case 'call':
      return [...present(node.node), ...argumentNodes(node.call)];
    case 'slice':
      return [...present(node.start), ...present(node.stop), ...present(node.step)];
    case 'condition':
      return [node.test, node.then, ...present(node.otherwise)];
    case 'and':
    case 'or':
    case 'binary':
      return [node.left, node.right];
    case 'not':
    case 'negative':
    case 'positive':
    case 'attribute':
      return [node.node];
    case 'compare':
      return [node.node, ...node.operands.map((operand) => operand.node)];
    case 'item':
      return [node.node, node.index];
    default:
      return [];
  }
}

function argumentNodes(call: CallArguments): Expression[] {
  return [...call.args, ...call.kwargs.map(({ value }) => value), ...present(call.rest), ...present(call.keywordRest)];
}

function present<T>(node: T | undefined): T[] {
  return node === undefined ? [] : [node];
}
