/**
 * How the tests run: a process for each file, two at a time, the longest first; then those that hold a bound of time: two at a time where each needs no more
 * than a core, at last one at a time. The programs in dist/ that they start are built by `npm test`.
 */
import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';
import { defineConfig } from 'vitest/config';
import type { TestProjectInlineConfiguration } from 'vitest/config';
import { writeKernelTexts } from './node/scripts/kernelTexts.mjs';

/** Files that hold a time of the clock or a share of the processor to a bound, and keep no more than one core busy: no software GPU, no page. */
const ON_A_CORE = [
  'test/hostile/bombs.test.ts',
  'test/hostile/corpus.test.ts',
  'test/hostile/slowRows.test.ts',
  'test/network/services.test.ts',
  'test/node/locks.test.ts',
  'test/run/ui/events.test.ts',
  'test/track/wandb.test.ts',
];

/** The others that do. */
const ALONE = [
  'test/node/outputLock.test.ts',
  'test/node/patientDawn.test.ts',
  'test/node/signals.test.ts',
  'test/package/times.test.ts',
  'test/studio/dataScroll.test.ts',
  'test/studio/train.test.ts',
];

/** Where the machine has not run them before, vitest takes a file's size for its length; of these it is far from it. */
const LONGEST = ['test/runtimes/mesa26', 'test/studio/', 'test/runtimes/', 'test/package/', 'test/node/mpi/', 'test/hub/cli', 'test/train/', '/golden.test'];

/** So that no core waits for a long file at the end. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((part) => moduleId.includes(part));
      return at < 0 ? LONGEST.length : at;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

/** One group of files after the other, in the order of their names here. */
const GROUPS = ['together', 'on a core', 'alone'] as const;

function project(name: (typeof GROUPS)[number], maxWorkers: number, files: { include: string[]; exclude?: string[] }): TestProjectInlineConfiguration {
  return { extends: true, test: { name, ...files, maxWorkers, sequence: { groupOrder: GROUPS.indexOf(name) } } };
}

writeKernelTexts();

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      project('together', 2, { include: ['test/**/*.test.ts'], exclude: [...ON_A_CORE, ...ALONE] }),
      project('on a core', 2, { include: ON_A_CORE }),
      project('alone', 1, { include: ALONE }),
    ],
    setupFiles: ['test/setup/propertySeed.ts'],
    // Once a day Deno asks for a newer one, through whatever proxy it finds.
    env: { DENO_NO_UPDATE_CHECK: '1' },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // A process for each file: the software GPU maps memory for every pipeline and buffer, and one process has room for 65530 maps.
    isolate: true,
  },
});
