import { readdirSync, readFileSync } from 'node:fs';
import { it } from 'vitest';
import { makeDawnPatient } from '../../node/patientDawn.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import { matmulNT } from '../../src/ops/matmul.ts';
function tasks() { const out: Record<string, number> = {}; for (const id of readdirSync('/proc/self/task')) { const s = readFileSync(`/proc/self/task/${id}/stat`, 'utf8'); const f = s.slice(s.lastIndexOf(')') + 2).split(' '); out[`${id}:${s.slice(s.indexOf('(') + 1, s.lastIndexOf(')'))}`] = 10 * (Number(f[11]) + Number(f[12])); } return out; }
const diff = (a: Record<string, number>, b: Record<string, number>) => Object.entries(b).map(([k, v]) => [k, v - (a[k] ?? 0)] as const).filter(([, v]) => v > 20).map(([k, v]) => `${k}=${v}`).join(' ');
it('x', { timeout: 600_000 }, async () => {
const device = await testDevice();
const t = (r:number,c:number)=>new Tensor([r,c],'f32',device.pool.acquire(r*c*4,'x'));
const a=t(512,1024), w=t(1024,1024), y=t(512,1024);
matmulNT(device,a,w,y); await device.finish();
const spinning = globalThis.setImmediate; makeDawnPatient(); const patient = globalThis.setImmediate;
for (const mode of ['spin', 'patient','spin','patient','spin','patient','spin','patient']) {
  globalThis.setImmediate = mode === 'spin' ? spinning : patient;
  const s=performance.now(); const c0=tasks();
  for (let i=0;i<8;i++) matmulNT(device,a,w,y);
  await device.finish();
  console.log(mode, (performance.now()-s).toFixed(1), diff(c0, tasks()));
}
});
