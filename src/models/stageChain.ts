/**
 * Runs a chain of stages and differentiates it. Running it keeps the inputs of every stage that a gradient must pass; going back, each
 * stage is run again with a recording tape, differentiated, and its scratch released. That is gradient checkpointing (Chen et al. 2016),
 * and the normal way here. With `checkpointing` off the recording tapes of the forward pass are kept; with `keptStages` those of the last
 * stages, which are differentiated first and so hold their memory for the shortest time. Results are the same to the bit.
 */
import type { Device } from '../gpu/device.ts';
import { Tensor } from '../gpu/tensor.ts';
import { Tape } from '../ops/tape.ts';
import type { RandomState } from '../ops/tape.ts';
import { restoreInput, saveInput } from './savedInput.ts';
import type { SavedInputs } from './savedInput.ts';
import { HIDDEN } from './stages.ts';
import type { Stage, Tensors } from './stages.ts';

export interface ChainOptions {
  /** A backward pass will follow. */
  grad: boolean;
  training: boolean;
  checkpointing: boolean;
  /** With checkpointing: so many of the last stages are not run again. Default 0. */
  keptStages?: number;
  /**
   * How the inputs of stages that are run again are kept. In bf16 no tape is kept, so that results do not depend on how much memory there
   * is. Default f32.
   */
  savedInputs?: SavedInputs;
  random: RandomState;
  /** Told when the backward has gone past the last stage of this name: its parameters get nothing more from this chain. */
  onPassed?: (name: string) => void;
  /** Sees what every stage gives: under the stage's name, and what is not HIDDEN under `stage/name` (tests). */
  tap?: (name: string, output: Tensor) => Promise<void> | void;
}

/** What one stage gives under a name, and the stages after it read. */
interface Value {
  name: string;
  /** Undefined before it is there, and when it is not held any more. */
  tensor: Tensor | undefined;
  needsGrad: boolean;
  /** Undefined for what the chain was given. */
  writer: Link | undefined;
  /** In order. */
  readers: Link[];
  isSaved: boolean;
  /** What the stages behind have given so far, going back. */
  gradient?: Tensor;
}

/** A stage in its place. */
interface Link {
  stage: Stage;
  needsGrad: boolean;
  reads: Value[];
  writes: Value[];
  /** Of the forward pass, where it is kept. */
  tape?: Tape;
}

export class StageChain {
  private readonly device: Device;
  private readonly options: ChainOptions;
  private links: Link[] = [];
  private values: Value[] = [];

  constructor(device: Device, options: ChainOptions) {
    this.device = device;
    this.options = options;
  }

  /**
   * Takes over `inputs`, whose `requiresGrad` says whether their gradients are wanted, and returns the last HIDDEN, which is the caller's
   * to release; its `requiresGrad` says whether `backward` is wanted.
   */
  async run(stages: readonly Stage[], inputs: Tensors): Promise<Tensor> {
    const { [HIDDEN]: result } = await this.runFor([HIDDEN], stages, inputs);
    return result;
  }

  /** `run` for the last tensors of these names, none of which a stage reads. */
  async runFor<Name extends string>(names: readonly Name[], stages: readonly Stage[], inputs: Tensors): Promise<Tensors<Name>> {
    const results = this.join(names, stages, inputs);
    const { checkpointing, keptStages = 0, savedInputs = 'f32' } = this.options;
    const firstKept = checkpointing ? stages.length - (savedInputs === 'f32' ? keptStages : 0) : 0;
    for (const [at, link] of this.links.entries()) {
      const { stage, reads, writes } = link;
      link.needsGrad = this.options.grad && (stage.trainable || reads.some(({ needsGrad }) => needsGrad));
      await stage.arrive?.(stages[at + 1]?.name);
      const keepsTape = link.needsGrad && at >= firstKept;
      const tape = this.tape(keepsTape, keepsTape ? 'kept stages' : 'scratch');
      const given = stage.forward(tape, tensorsOf(reads));
      for (const value of writes) {
        value.tensor = tape.keep(given[value.name]!);
        value.needsGrad = link.needsGrad;
      }
      if (keepsTape) link.tape = tape;
      else tape.release();
      for (const value of reads) if (value.readers.at(-1) === link) this.saveOrRelease(value);
      for (const value of writes) if (value.readers.length === 0 && !results.includes(value)) this.saveOrRelease(value);
      if (this.options.tap) {
        for (const { name, tensor } of writes)
          if (tensor) await this.options.tap(name === HIDDEN ? stage.name : `${stage.name}/${name}`, tensor);
      }
      await this.device.pacing.turn();
    }
    return Object.fromEntries(results.map((value) => [value.name, this.handOver(value)])) as Record<Name, Tensor>;
  }

  /**
   * Adds the gradients of all trainable parameters.
   * @param dys gradients of what `run` or `runFor` gave, by name, which it takes over
   * @returns those of the inputs that want one, by name, which are the caller's
   */
  async backward(dys: Tensors): Promise<Tensors> {
    for (const [name, dy] of Object.entries(dys)) {
      const result = this.values.findLast((value) => value.name === name)!;
      if (result.needsGrad) result.gradient = dy;
      else this.device.pool.release(dy.view);
    }
    const links = this.links.filter(({ needsGrad }) => needsGrad);
    for (let link = links.pop(); link; link = links.pop()) {
      const { stage, reads, writes } = link;
      await stage.arrive?.(links.at(-1)?.stage.name);
      for (const value of reads) {
        if (value.isSaved) value.tensor = restoreInput(this.device, value.tensor!);
        value.isSaved = false;
        value.tensor!.requiresGrad = value.needsGrad;
      }
      const tape = link.tape ?? this.tape(true);
      const given = link.tape ? tensorsOf(writes) : stage.forward(tape, tensorsOf(reads));
      delete link.tape;
      // What a stage behind has given is added to, not replaced.
      for (const value of reads) if (value.gradient) tape.give(value.tensor!, value.gradient);
      tape.backwardOf(writes.flatMap(({ name, gradient }) => (gradient ? [[given[name]!, gradient] as const] : [])));
      for (const value of reads) {
        delete value.gradient;
        const dx = tape.takeGradient(value.tensor!);
        if (dx) value.gradient = dx;
        else if (value.needsGrad) throw new Error(`stage ${stage.name} delivered no gradient for '${value.name}'`);
      }
      tape.release();
      for (const value of writes) {
        if (value.gradient) this.device.pool.release(value.gradient.view);
        delete value.gradient;
        this.drop(value);
      }
      // A kept tape frees its outputs by the id of their buffers, so that those may not be anyone else's before that tape is done: what a
      // stage with one gave is released with it.
      for (const value of reads) if (!value.writer?.tape && value.readers.find(({ needsGrad }) => needsGrad) === link) this.drop(value);
      if (!links.some((other) => other.stage.name === stage.name)) this.options.onPassed?.(stage.name);
      if (links.length > 0) await this.device.pacing.turn();
    }
    const inputs = this.values.flatMap((value): [string, Tensor][] => {
      const { name, writer, gradient } = value;
      if (writer || !gradient) return [];
      delete value.gradient;
      return [[name, gradient]];
    });
    return Object.fromEntries(inputs);
  }

  /** Releases what a run that ended early still holds. */
  release(): void {
    for (const { tape } of this.links) tape?.release();
    for (const value of this.values) {
      if (value.gradient) this.device.pool.release(value.gradient.view);
      delete value.gradient;
      this.drop(value);
    }
    [this.links, this.values] = [[], []];
  }

  /** Which stage reads what of which. @returns what the chain is run for, one for each of `names` */
  private join(names: readonly string[], stages: readonly Stage[], inputs: Tensors): Value[] {
    const current = new Map<string, Value>();
    const set = (name: string, writer?: Link, tensor?: Tensor): Value => {
      const needsGrad = this.options.grad && tensor?.requiresGrad === true;
      const value: Value = { name, tensor, needsGrad, writer, readers: [], isSaved: false };
      current.set(name, value);
      this.values.push(value);
      return value;
    };
    for (const [name, tensor] of Object.entries(inputs)) set(name, undefined, tensor);
    for (const stage of stages) {
      const link: Link = { stage, needsGrad: false, reads: [], writes: [] };
      link.reads = stage.reads.map((name) => {
        const value = current.get(name);
        if (!value) throw new Error(`stage ${stage.name} reads '${name}', which no stage before it gives`);
        value.readers.push(link);
        return value;
      });
      link.writes = stage.writes.map((name) => set(name, link));
      this.links.push(link);
    }
    return names.map((name) => {
      const result = current.get(name);
      if (!result || result.readers.length > 0) throw new Error(`the last stage gives no '${name}'`);
      return result;
    });
  }

  /** When every stage that reads it has run. */
  private saveOrRelease(value: Value): void {
    const readers = value.readers.filter(({ needsGrad }) => needsGrad);
    if (readers.length === 0 && !value.writer?.tape) {
      this.drop(value);
    } else if (readers.some(({ tape }) => !tape)) {
      value.tensor = saveInput(this.device, value.tensor!, this.options.savedInputs ?? 'f32');
      value.isSaved = true;
    }
  }

  private handOver(result: Value): Tensor {
    const tensor = result.tensor!;
    let given = tensor;
    // The caller may release what it gets before `backward`, and a kept tape is not done with its output: the caller gets a copy.
    if (result.writer?.tape) {
      given = new Tensor(tensor.shape, 'f32', this.device.pool.acquire(tensor.bytes, 'scratch'));
      this.device.copy(tensor.view, given.view, given.bytes);
    } else result.tensor = undefined;
    given.requiresGrad = result.needsGrad;
    return given;
  }

  private drop(value: Value): void {
    if (value.tensor) this.device.pool.release(value.tensor.view);
    value.tensor = undefined;
  }

  private tape(grad: boolean, label = 'scratch'): Tape {
    return new Tape(this.device, { grad, training: this.options.training, random: this.options.random, label });
  }
}

/** As a stage is given them: a gradient is wanted for those that stages before it have made of what trains. */
function tensorsOf(values: readonly Value[]): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {};
  for (const { name, tensor, needsGrad } of values) {
    if (!tensor) throw new Error(`'${name}' is not held any more`);
    tensor.requiresGrad = needsGrad;
    tensors[name] = tensor;
  }
  return tensors;
}
