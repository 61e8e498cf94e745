/** Work that can be awaited and gone through. */
import { expect, test } from 'vitest';
import { Job } from '../../src/api/job.ts';

const turn = (): Promise<void> => new Promise((done) => setTimeout(done, 0));

test('who listens at once hears all of it, in order, and the result is there afterwards', async () => {
  const job = new Job<number, string>(async (tell) => {
    tell(1);
    await turn();
    tell(2);
    return 'done';
  });
  const heard: number[] = [];
  for await (const event of job) heard.push(event);
  expect(heard).toEqual([1, 2]);
  expect(await job).toBe('done');
});

test('two listen, one of them slowly: each hears everything, the slow one what may be joined as one', async () => {
  const job = new Job<string, void>(
    async (tell) => {
      for (const piece of ['a', 'b', 'c']) tell(piece);
      await turn();
      tell('d');
    },
    { joined: (last, next) => last + next },
  );
  const listen = async (ms: number): Promise<string[]> => {
    const heard: string[] = [];
    for await (const piece of job) {
      heard.push(piece);
      await new Promise((done) => setTimeout(done, ms));
    }
    return heard;
  };
  const [quick, slow] = await Promise.all([listen(0), listen(30)]);
  expect(quick.join('')).toBe('abcd');
  expect(slow.join('')).toBe('abcd');
  expect(slow).toEqual(['abc', 'd']);
});

test('a failure is thrown after what was told before it, to each who listens and to who awaits', async () => {
  const job = new Job<number, void>((tell) => {
    tell(1);
    return Promise.reject(new Error('no more'));
  });
  const heard: number[] = [];
  await expect(
    (async () => {
      for await (const event of job) heard.push(event);
    })(),
  ).rejects.toThrow('no more');
  expect(heard).toEqual([1]);
  await expect(job).rejects.toThrow('no more');
});

test('leaving the loop does not stop it; stop() and the signal do', async () => {
  const untilStopped = (tell: (event: number) => void, stop: AbortSignal): Promise<string> => {
    tell(1);
    return new Promise((done) => stop.addEventListener('abort', () => done('stopped')));
  };
  const own = new Job(untilStopped);
  for await (const event of own) {
    expect(event).toBe(1);
    break;
  }
  own.stop();
  expect(await own).toBe('stopped');
  const controller = new AbortController();
  const signalled = new Job(untilStopped, { signal: controller.signal });
  await turn();
  controller.abort();
  expect(await signalled).toBe('stopped');
});
