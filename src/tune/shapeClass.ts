/**
 * Problems that one measurement stands for: alike in everything that changes the kernel, and of about the same size. A problem's fields are
 * taken as they are, so that a field that is added to it divides classes without a word here; extents count by their powers of two.
 */
import type { AttentionProblem } from './attention.ts';
import type { ProductProblem } from './product.ts';

/** Beyond this an extent changes nothing about how fast its tiles are. */
const LARGEST = 8192;
const EXTENTS: ReadonlySet<string> = new Set<keyof ProductProblem | keyof NonNullable<AttentionProblem['extent']>>([
  'm',
  'n',
  'k',
  'queries',
  'span',
]);

/**
 * The class in words, the same for all problems in it: "form=nt hasDropout=false isPlain=true k=2048 m=512 n=2048 storage=bf16"; an extent
 * is the least of its class.
 */
export function classOf(problem: ProductProblem | AttentionProblem): string {
  return fieldsOf(problem).sort().join(' ');
}

function fieldsOf(value: object): string[] {
  return Object.entries(value).flatMap(([name, field]: [string, unknown]) => {
    if (field === undefined) return [];
    if (typeof field === 'object' && field !== null) return fieldsOf(field);
    return [`${name}=${typeof field === 'number' && EXTENTS.has(name) ? floorPower(field) : String(field)}`];
  });
}

function floorPower(extent: number): number {
  return Math.min(LARGEST, 2 ** Math.floor(Math.log2(Math.max(1, extent))));
}
