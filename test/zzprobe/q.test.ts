import { it } from 'vitest';
it('x', { timeout: 600_000 }, async () => {
let n = 0; let native = 0;
const own = globalThis.setImmediate;
(globalThis as any).setImmediate = (f: any, ...r: any[]) => { n++; if (Function.prototype.toString.call(f).includes('[native code]')) native++; return own(f, ...r); };
const { testDevice } = await import('../gpu/testDevice.ts');
const { Tensor } = await import('../../src/gpu/tensor.ts');
const { matmulNT } = await import('../../src/ops/matmul.ts');
const device = await testDevice();
const t = (r:number,c:number)=>new Tensor([r,c],'f32',device.pool.acquire(r*c*4,'x'));
const a=t(512,1024), w=t(1024,1024), y=t(512,1024);
matmulNT(device,a,w,y); await device.finish();
n = 0; native = 0;
  for (let i=0;i<4;i++) matmulNT(device,a,w,y);
  await device.finish();
console.log('immediates', n, native);
});
