/**
 * Where a module of a model is said, once: its name and its shape at the place that uses it. Building a model asks for its modules one
 * after the other (as candle's VarBuilder does); run on nothing, the same code tells what the model consists of (`ModelDescription`), and
 * what a stage has asked for tells whether it trains. So no parameter can be described and not read, or trained and not differentiated.
 */
import type { Tensor } from '../gpu/tensor.ts';
import type { ModuleKind } from '../io/peftTargets.ts';
import { isTrainable } from '../ops/parameter.ts';
import type { LayerNorm, LinearLayer, Parameter } from '../ops/parameter.ts';
import type { Shape, Weights } from './weights.ts';

/** What a model consists of, in the order of its module tree. */
export interface Described {
  /** Canonical parameter name → shape. */
  shapes: Map<string, Shape>;
  /** Module name → what it is to PEFT, where it is more than a container. */
  kinds: Map<string, ModuleKind>;
}

interface Source {
  parameter(name: string, shape: Shape): Parameter;
  linear(module: string, shape: Shape, hasBias: boolean): LinearLayer;
  kind(module: string, kind: ModuleKind): void;
}

/** Names are relative; an empty one is the module itself. */
export class Modules {
  /** Canonical name; empty for the whole model. */
  readonly name: string;
  private readonly source: Source;
  private readonly outer: Modules | undefined;
  private readonly used: (() => boolean)[] = [];

  private constructor(source: Source, name = '', outer?: Modules) {
    [this.source, this.name, this.outer] = [source, name, outer];
  }

  /** Runs `build` on nothing: what it asks for is noted, and what it makes computes nothing. */
  static describe(build: (m: Modules) => unknown): Described {
    const shapes = new Map<string, Shape>();
    const kinds = new Map<string, ModuleKind>();
    const parameter = (name: string, shape: Shape): Parameter => {
      if (shapes.has(name)) throw new Error(`the parameter '${name}' is said twice`);
      shapes.set(name, shape);
      return nothing(name);
    };
    const linear = (module: string, shape: Shape, hasBias: boolean): LinearLayer => {
      const weight = parameter(`${module}.weight`, shape);
      return { name: module, weight, ...(hasBias && { bias: parameter(`${module}.bias`, [shape[0]!]) }) };
    };
    build(new Modules({ parameter, linear, kind: (module, kind) => kinds.set(module, kind) }));
    return { shapes, kinds };
  }

  /** The modules of a model whose weights are there. */
  static of(weights: Weights): Modules {
    return new Modules({
      parameter: (name) => weights.parameter(name),
      linear: (module, _, hasBias) => weights.linear(module, hasBias),
      kind: () => undefined,
    });
  }

  /** A module inside this one. */
  at(name: string): Modules {
    return new Modules(this.source, this.join(name), this);
  }

  /** nn.Linear (out, in); a convolution that is its own stride (out, everything else): (out, channels, …). */
  linear(name: string, shape: Shape, { bias = false } = {}): LinearLayer {
    const module = this.join(name);
    this.source.kind(module, shape.length > 2 ? 'conv' : 'linear');
    const layer = this.source.linear(module, shape, bias);
    this.note(() => isTrainable(layer));
    return layer;
  }

  /** nn.Embedding (rows, C). */
  embedding(name: string, shape: Shape): Parameter {
    this.source.kind(this.join(name), 'embedding');
    return this.parameter(below(name, 'weight'), shape);
  }

  /** A norm with a weight alone, (C). */
  norm(name: string, size: number): Parameter {
    this.source.kind(this.join(name), 'norm');
    return this.parameter(below(name, 'weight'), [size]);
  }

  /** nn.LayerNorm: weight and bias, (C) each. */
  layerNorm(name: string, size: number): LayerNorm {
    return { weight: this.norm(name, size), bias: this.parameter(below(name, 'bias'), [size]) };
  }

  /** A parameter of this module itself. */
  parameter(name: string, shape: Shape): Parameter {
    const parameter = this.source.parameter(this.join(name), shape);
    this.note(() => parameter.grad !== undefined);
    return parameter;
  }

  /** Something that was asked for here, or further in, trains. */
  get trains(): boolean {
    return this.used.some((trains) => trains());
  }

  private note(trains: () => boolean): void {
    this.used.push(trains);
    this.outer?.note(trains);
  }

  private join(name: string): string {
    return below(this.name, name);
  }
}

function below(module: string, name: string): string {
  return module === '' || name === '' ? module + name : `${module}.${name}`;
}

function nothing(name: string): Parameter {
  return {
    name,
    get tensor(): Tensor {
      throw new Error(`'${name}' is described, and not there`);
    },
  };
}
