/** The kernel compile check against kernels that are wrong in one way each. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const script = fileURLToPath(new URL('./kernels.mjs', import.meta.url));

function check(kernels: Record<string, string>): { status: number | null; out: string; errors: string } {
  const folder = mkdtempSync(join(tmpdir(), 'vernier-kernels-'));
  try {
    mkdirSync(join(folder, 'lib'));
    for (const [name, text] of Object.entries(kernels)) writeFileSync(join(folder, `${name}.wgsl`), text);
    const run = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' });
    return { status: run.status, out: run.stdout.trim(), errors: run.stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const scale = `// check: TILE=128
// check: TILE=32 W=f16
// uses: twice
const TILE: u32 = 64u;
alias W = f32;

struct Params { n: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<W>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(TILE)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < p.n) { y[id.x] = twice(f32(x[id.x])); }
}
`;
const twice = 'fn twice(v: f32) -> f32 { return 2.0 * v; }\n';

test('a good kernel compiles in each specialisation it names', () => {
  expect(check({ scale, 'lib/twice': twice })).toEqual({ status: 0, out: 'kernels: 3 specialisations, all compile', errors: '' });
});

const many = Array.from({ length: 9 }, (_, i) => `@group(0) @binding(${i + 1}) var<storage, read_write> b${i}: array<f32>;`).join('\n');
const bad = check({
  scale: scale.replace('twice(', 'thrice('),
  wide: scale.replace('TILE=128', 'TILE=1024'),
  misspelt: scale.replace('TILE=128', 'TYLE=128'),
  missing: scale.replace('uses: twice', 'uses: half'),
  features: scale.replace('alias W = f32', 'alias W = f16'),
  greedy: `struct Params { n: u32 }\n@group(0) @binding(0) var<uniform> p: Params;\n${many}\n@compute @workgroup_size(1) fn main() { b0[0] = f32(p.n); }\n`,
  'lib/twice': twice,
});

test.each([
  ['an unknown function, with the line and the WGSL around it', /^kernels\/scale\.wgsl: line 15:.*thrice[^]*?15 {2}.*y\[id\.x\] = thrice/m],
  ['a specialisation over the default limits', /^kernels\/wide\.wgsl \[TILE=1024\]: .*workgroup_size\(1024/m],
  ['a constant that the file does not have', /^kernels\/misspelt\.wgsl \[TYLE=128\]: .*TYLE/m],
  ['a library that does not exist', /^kernels\/missing\.wgsl: .*lib\/half\.wgsl/m],
  ['f16 without an enable line', /^kernels\/features\.wgsl: .*f16/m],
  ['more than eight storage buffers', /^kernels\/greedy\.wgsl: .*storage/im],
])('%s is reported', (_, message) => {
  expect(bad.errors).toMatch(message);
});

test('the good specialisations of a bad file are not reported, and the check fails', () => {
  expect(bad.errors).not.toMatch(/wide\.wgsl:/);
  expect(bad.status).toBe(1);
});
