/**
 * Loaded before a program of dist/ (`node --import test/faults/inject.mjs dist/train.js …`), so that a fault comes at a known point of its work: it watches the file and GPU
 * calls of the process, stops it at the one that VERNIER_FAULT names, tells the test on descriptor 3, and goes on when the test answers on descriptor 4.
 * What a test cannot do from outside (a lost GPU, one without memory, an error of the disk) is done here. The program itself knows nothing of it.
 */
import fs from 'node:fs/promises';
import { readSync, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import process from 'node:process';
import { isMainThread } from 'node:worker_threads';
import * as webgpu from 'webgpu';

/**
 * `at`: "file open|mkdir|rename|appendFile <regex of the path>", "gpu <method>" · `nth`: which of these calls, 1 the first ·
 * `does`: "tell" (the test acts), "lose-gpu", "no-gpu-memory", or a code as ENOSPC that calls on files of `within` (a regex) end with from then on.
 * Told are: "fault" at that call; "struck" where what is done here has met the program; "changed" for each call that makes, writes or renames a file of `within`.
 */
const fault = JSON.parse(process.env.VERNIER_FAULT ?? 'null');
if (fault !== null && isMainThread) arm(fault);

function arm({ at, nth = 1, does, within = '' }) {
  const [kind, name, ...rest] = at.split(' ');
  const pattern = new RegExp(rest.join(' '));
  let seen = 0;
  let hasCome = false;
  const devices = [];
  let memory = false;

  let isStruck = false;
  function strike() {
    if (!isStruck) tell('struck');
    isStruck = true;
  }

  /** At the call that is meant, before it is made. */
  function meet() {
    if (hasCome || ++seen < nth) return;
    hasCome = true;
    tell('fault');
    if (does === 'tell') awaitAnswer();
    else if (does === 'lose-gpu') {
      for (const device of devices) device.destroy();
      if (devices.length > 0) strike();
    } else if (does === 'no-gpu-memory') memory = true;
  }

  for (const method of ['open', 'mkdir', 'rename', 'appendFile', 'rm']) {
    const real = fs[method];
    fs[method] = function (path, ...others) {
      if (kind === 'file' && name === method && pattern.test(String(path))) meet();
      const isChange = new RegExp(within).test(String(path)) && changes(method, others[0]);
      if (isChange) tell('changed');
      const isHit = hasCome && /^E[A-Z]+$/.test(does) && isChange && !(method === 'rm' && does !== 'EROFS');
      if (isHit) strike();
      if (isHit) return Promise.reject(Object.assign(new Error(`${does}: injected, ${method} '${path}'`), { code: does }));
      return real.call(fs, path, ...others);
    };
  }
  syncBuiltinESMExports();

  const { GPUDevice, GPUQueue, GPUAdapter } = webgpu.globals;
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...given) {
    const device = await requestDevice.apply(this, given);
    devices.push(device);
    return device;
  };
  for (const [prototype, method] of [[GPUDevice.prototype, 'createComputePipeline'], [GPUDevice.prototype, 'createBuffer'], [GPUQueue.prototype, 'submit']]) {
    const real = prototype[method];
    prototype[method] = function (...given) {
      if (kind === 'gpu' && name === method) meet();
      return method === 'createBuffer' && memory ? withoutMemory(this, real, given) : real.apply(this, given);
    };
  }
  const popErrorScope = GPUDevice.prototype.popErrorScope;
  let isRefused = false;
  GPUDevice.prototype.popErrorScope = function () {
    const wasRefused = isRefused;
    isRefused = false;
    return popErrorScope.call(this).then((error) => (wasRefused ? new webgpu.globals.GPUOutOfMemoryError('injected') : error));
  };
  /** One buffer that there is no memory for: an invalid one, as Dawn gives, and the error in the scope around it. */
  function withoutMemory(device, real, given) {
    memory = false;
    strike();
    device.pushErrorScope('validation');
    const invalid = real.call(device, { ...given[0], usage: 0 });
    void popErrorScope.call(device);
    isRefused = true;
    return invalid;
  }

}

function changes(method, flags) {
  return method !== 'open' || (typeof flags === 'string' ? flags !== 'r' : (flags ?? 0) !== 0);
}

function tell(line) {
  writeSync(3, `${line}\n`);
}

function awaitAnswer() {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    try {
      readSync(4, new Uint8Array(1));
      return;
    } catch (error) {
      if (error.code !== 'EAGAIN') return;
      Atomics.wait(clock, 0, 0, 5);
    }
  }
}
