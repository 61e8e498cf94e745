/**
 * What a WGSL file in kernels/ promises, and how one specialisation of it is made.
 *
 * A file opens with its default specialisation in plain WGSL (`const TILE: u32 = 8u;`, `alias W = f32;`), so that any editor or
 * compiler reads it as it stands. A specialisation replaces the right-hand sides of those lines. `// uses: reduce, unpack` appends
 * kernels/lib/<name>.wgsl, `// enable: subgroups` prepends an enable directive (f16 is enabled by itself when an alias becomes f16).
 * `// load: w` says that the kernel reads its operand `w` by `open_w()`, `one_of_w(i)` and `four_of_w(i)`: the file of kernels/load/ for
 * the storage that the specialisation names (`w: 'bf16'`, f32 where it names none) is appended with `w` in place of its word `operand`, and
 * the alias `W_UNIT` becomes the unit that this file asks for (its wide one where the kernel's constant WIDE is true). Group 0 binding 0 is
 * the uniform `struct Params` of 4-byte scalars, the other bindings are storage arrays.
 */
import { kernelSources } from './kernelSources.ts';

export type SpecialisationValue = number | boolean | string;
export type Specialisation = Readonly<Record<string, SpecialisationValue>>;

export interface ParamField {
  name: string;
  type: 'u32' | 'i32' | 'f32';
}

export interface StorageBinding {
  name: string;
  index: number;
  writable: boolean;
}

export interface KernelInterface {
  params: ParamField[];
  storage: StorageBinding[];
  /**
   * It adds `p.first_group` to its workgroup's number (to y, where it is dispatched over x, y and z), so that a dispatch may be made in
   * several.
   */
  isDivisible: boolean;
}

const SPECIALISED_LINE = /^(const\s+(\w+)\s*:\s*(u32|i32|f32|bool)\s*=\s*|alias\s+(\w+)\s*=\s*)([^;]+);/;

function literal(value: SpecialisationValue, type: string | undefined, where: string): string {
  if (type === undefined) return String(value);
  if (type === 'bool') return value ? 'true' : 'false';
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error(`${where}: expected a number, got ${String(value)}`);
  if (type === 'f32') return `${/[.e]/.test(String(value)) ? String(value) : `${value}.0`}f`;
  if (!Number.isInteger(value)) throw new Error(`${where}: expected a whole number, got ${value}`);
  return type === 'u32' ? `${value}u` : String(value);
}

const UNIT_LINE = /^\/\/ (wide )?unit:\s*(\S+)$/gm;

/** kernels/load/<storage>.wgsl for an operand of this name, and the types in which it may be bound. */
function loadSource(kernel: string, operand: string, storage: SpecialisationValue, sources: ReadonlyMap<string, string>) {
  const source = sources.get(`load/${String(storage)}`);
  if (source === undefined)
    throw new Error(`kernel '${kernel}' cannot read ${operand} as ${String(storage)}: kernels/load has no such file`);
  const units = new Map([...source.matchAll(UNIT_LINE)].map((match) => [match[1] === undefined ? 'narrow' : 'wide', match[2]!]));
  const text = source.replaceAll('operand', operand).replaceAll('OPERAND', operand.toUpperCase());
  return { text, narrow: units.get('narrow'), wide: units.get('wide') };
}

/** The complete WGSL of one specialisation. Throws when the kernel does not exist or does not have a constant that is set. */
export function composeSource(
  name: string,
  specialisation: Specialisation = {},
  sources: ReadonlyMap<string, string> = kernelSources,
): string {
  const source = sources.get(name);
  if (source === undefined) throw new Error(`no kernel '${name}': kernels/${name}.wgsl does not exist`);
  const operands = [...source.matchAll(/^\/\/ load:\s*(.+)$/gm)].flatMap((match) => match[1]!.split(',').map((part) => part.trim()));
  const values: Record<string, SpecialisationValue> = { ...specialisation };
  const loads: string[] = [];
  for (const operand of operands) {
    const load = loadSource(name, operand, values[operand] ?? 'f32', sources);
    const unit = values.WIDE === true ? load.wide : load.narrow;
    if (unit === undefined) throw new Error(`kernel '${name}': kernels/load/${String(values[operand])}.wgsl names no unit`);
    delete values[operand];
    values[`${operand.toUpperCase()}_UNIT`] = unit;
    loads.push(load.text);
  }
  const unused = new Set(Object.keys(values));
  const enables = new Set<string>();
  const libraries: string[] = [];
  const lines = source.split('\n').map((line) => {
    const uses = /^\/\/ uses:\s*(.+)$/.exec(line);
    if (uses) libraries.push(...uses[1]!.split(',').map((part) => part.trim()));
    const enable = /^\/\/ enable:\s*(.+)$/.exec(line);
    if (enable) for (const part of enable[1]!.split(',')) enables.add(part.trim());
    const match = SPECIALISED_LINE.exec(line);
    if (!match) return line;
    const key = match[2] ?? match[4]!;
    const value = values[key];
    if (value === undefined) return line;
    unused.delete(key);
    if (match[4] !== undefined && /\bf16\b/.test(String(value))) enables.add('f16');
    return `${match[1]}${literal(value, match[3], `kernel '${name}', constant ${key}`)};${line.slice(match[0].length)}`;
  });
  if (unused.size > 0) throw new Error(`kernel '${name}' has no constant or alias named ${[...unused].join(', ')}`);
  const parts = [[...enables].map((feature) => `enable ${feature};`).join('\n'), lines.join('\n')];
  for (const library of new Set(libraries)) {
    const text = sources.get(`lib/${library}`);
    if (text === undefined) throw new Error(`kernel '${name}' uses kernels/lib/${library}.wgsl, which does not exist`);
    parts.push(text);
  }
  parts.push(...loads);
  return parts.join('\n');
}

export function parseInterface(name: string, source: string): KernelInterface {
  const params: ParamField[] = [];
  const struct = /struct\s+Params\s*\{([^}]*)\}/.exec(source);
  if (struct) {
    const body = struct[1]!.replace(/\/\/.*$/gm, '');
    for (const match of body.matchAll(/(\w+)\s*:\s*(\w+)/g)) {
      const type = match[2]!;
      if (type !== 'u32' && type !== 'i32' && type !== 'f32') {
        throw new Error(`kernel '${name}': Params.${match[1]} is ${type}; only u32, i32 and f32 scalars are laid out`);
      }
      params.push({ name: match[1]!, type });
    }
  }
  const storage: StorageBinding[] = [];
  for (const match of source.matchAll(/@group\(0\)\s*@binding\((\d+)\)\s*var<storage(?:,\s*(read_write|read))?>\s*(\w+)/g)) {
    storage.push({ index: Number(match[1]), writable: match[2] === 'read_write', name: match[3]! });
  }
  if (params.length === 0) throw new Error(`kernel '${name}': no struct Params`);
  return { params, storage, isDivisible: /\bp\.first_group\b/.test(source.replace(/\/\/.*$/gm, '')) };
}

/** WGSL with line numbers, for messages about a compile error. */
export function numberedSource(source: string): string {
  return source
    .split('\n')
    .map((line, at) => `${String(at + 1).padStart(4)}  ${line}`)
    .join('\n');
}
