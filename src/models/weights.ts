/** A model's parameters by name, for `Modules`; loadWeights.ts brings them onto the GPU. */
import type { Device } from '../gpu/device.ts';
import type { LinearLayer, LoraAdapter, Parameter } from '../ops/parameter.ts';

/** Extents of a parameter, from the slowest dimension to the fastest. */
export type Shape = readonly number[];

/** Parameters by canonical name and linear layers by module name; a model is built from one of these. */
export class Weights {
  private readonly parameters: ReadonlyMap<string, Parameter>;
  private readonly adapters: ReadonlyMap<string, LoraAdapter>;

  constructor(parameters: ReadonlyMap<string, Parameter>, adapters: ReadonlyMap<string, LoraAdapter> = new Map()) {
    this.parameters = parameters;
    this.adapters = adapters;
  }

  parameter(name: string): Parameter {
    const parameter = this.parameters.get(name);
    if (!parameter) throw new Error(`no parameter '${name}' was loaded`);
    return parameter;
  }

  linear(module: string, hasBias: boolean): LinearLayer {
    const weight = this.parameter(`${module}.weight`);
    const lora = this.adapters.get(module);
    return { name: module, weight, ...(hasBias && { bias: this.parameter(`${module}.bias`) }), ...(lora && { lora }) };
  }

  /** @param streamed has the views of its weights itself */
  release(device: Device, streamed?: { has(name: string): boolean }): void {
    const tensors = new Set(
      [...this.parameters.values()].filter(({ grad, name }) => !grad && !streamed?.has(name)).map(({ tensor }) => tensor),
    );
    for (const tensor of tensors) for (const part of tensor.parts) device.pool.release(part.view);
  }
}
