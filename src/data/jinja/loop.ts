/** The special variable `loop` of a pass (Jinja2's LoopContext). */
import { bind } from './arguments.ts';
import { isEqual } from './comparison.ts';
import { TemplateFailure } from './failures.ts';
import { Callable, Generator, Loop, Undefined, iterate, lengthOf } from './values.ts';
import type { Value } from './values.ts';

export class LoopState extends Loop {
  private index0 = -1;
  private readonly depth0: number;
  private readonly iterable: Value;
  private iterator: Iterator<Value>;
  private readonly recursion: ((iterable: Value, depth: number) => Value) | undefined;
  private knownLength: number | undefined;
  /** The next item, where it was asked for early. */
  private ahead: IteratorResult<Value> | undefined;
  private current: Value | undefined;
  private before: Value | undefined;
  private lastChanged: readonly Value[] | undefined;

  constructor(iterable: Value, depth: number, recursion?: (iterable: Value, depth: number) => Value) {
    super();
    this.iterable = iterable;
    this.iterator = iterate(iterable)[Symbol.iterator]();
    this.depth0 = depth;
    this.recursion = recursion;
  }

  /** Goes to the next item; undefined at the end. */
  advance(): { item: Value } | undefined {
    const step = this.ahead ?? this.iterator.next();
    this.ahead = undefined;
    if (step.done === true) return undefined;
    this.index0++;
    this.before = this.current;
    this.current = step.value;
    return { item: step.value };
  }

  private peek(): IteratorResult<Value> {
    this.ahead ??= this.iterator.next();
    return this.ahead;
  }

  private get length(): number {
    if (this.knownLength !== undefined) return this.knownLength;
    if (this.iterable instanceof Generator) {
      const rest: Value[] = [];
      for (let step = this.iterator.next(); step.done !== true; step = this.iterator.next()) rest.push(step.value);
      this.iterator = rest[Symbol.iterator]();
      this.knownLength = rest.length + this.index0 + 1 + (this.ahead === undefined || this.ahead.done === true ? 0 : 1);
    } else this.knownLength = lengthOf(this.iterable);
    return this.knownLength;
  }

  override attribute(name: string): Value | undefined {
    switch (name) {
      case 'index':
        return BigInt(this.index0 + 1);
      case 'index0':
        return BigInt(this.index0);
      case 'first':
        return this.index0 === 0;
      case 'last':
        return this.peek().done === true;
      case 'length':
        return BigInt(this.length);
      case 'revindex':
        return BigInt(this.length - this.index0);
      case 'revindex0':
        return BigInt(this.length - this.index0 - 1);
      case 'depth':
        return BigInt(this.depth0 + 1);
      case 'depth0':
        return BigInt(this.depth0);
      case 'previtem':
        return this.index0 === 0 ? new Undefined('there is no previous item') : (this.before as Value);
      case 'nextitem': {
        const next = this.peek();
        return next.done === true ? new Undefined('there is no next item') : next.value;
      }
      case 'cycle':
        return new Callable(name, ({ args }) => {
          if (args.length === 0) throw new TemplateFailure('no items for cycling given');
          return args[this.index0 % args.length] as Value;
        });
      case 'changed':
        return new Callable(name, ({ args }) => {
          const isSame =
            this.lastChanged?.length === args.length && this.lastChanged.every((value, i) => isEqual(value, args[i] as Value));
          if (!isSame) this.lastChanged = args;
          return !isSame;
        });
      default:
        return name.startsWith('_') ? new Undefined(`access to attribute '${name}' of 'LoopContext' object is unsafe.`) : undefined;
    }
  }

  override recurse(iterable: Value): Value {
    if (this.recursion === undefined) throw new TemplateFailure("The loop must have the 'recursive' marker to be called recursively.");
    return this.recursion(iterable, this.depth0 + 1);
  }

  /** Calls `loop(…)` as a function. */
  call(given: Parameters<Callable['call']>[0]): Value {
    return this.recurse(bind('loop', ['iterable'], given)[0] as Value);
  }
}
