/** The options of `vernier scale`. */
import { UserError } from '../platform.ts';
import type { Definitions, OptionsOf, Program } from './program.ts';

const definitions = {
  run: {
    group: 'Measuring',
    type: 'string',
    default: null,
    place: 'path',
    help: 'Folder of a run made here: the time of its micro-batches, how much they differ, and its trained values are read from its log.',
  },
  micro_batch_seconds: {
    group: 'Measuring',
    type: 'number',
    default: null,
    above: 0,
    help: 'Seconds of a micro-batch, forward and backward, at one rank. Unset: as the run has it.',
  },
  values: { group: 'Measuring', type: 'integer', default: null, min: 1, help: 'Trained values. Unset: as the run has it.' },
  variation: {
    group: 'Measuring',
    type: 'number',
    default: null,
    min: 0,
    max: 10,
    help: 'Standard deviation of the time of a micro-batch, as a share of it. Unset: as the run has it, or 0.',
  },
  gradient_accumulation_steps: {
    group: 'Several GPUs',
    type: 'integer',
    default: null,
    min: 1,
    help: 'Micro-batches of a step. Weak scaling gives every rank as many; strong scaling deals them out. Unset: as the run has it.',
  },
  ranks: { group: 'Several GPUs', type: 'list', default: ['1', '2', '4', '8', '16', '32', '64'], help: 'Numbers of GPUs.' },
  ranks_per_host: { group: 'Several GPUs', type: 'integer', default: 8, min: 1, help: 'GPUs of a host.' },
  network_gbit: { group: 'Several GPUs', type: 'number', default: 100, above: 0, help: 'Gbit/s of a host.' },
  network_us: { group: 'Several GPUs', type: 'number', default: 5, min: 0, help: 'Microseconds from one host to another.' },
  local_gbyte: { group: 'Several GPUs', type: 'number', default: 5, above: 0, help: 'GB/s between ranks of one host.' },
  transfer_gbyte: { group: 'Several GPUs', type: 'number', default: 6, above: 0, help: "GB/s between a GPU and its host's memory." },
  json: { group: 'Output', type: 'string', default: null, place: 'path', help: 'File for all figures, as JSON.' },
} as const satisfies Definitions;
export type ScaleOptions = OptionsOf<typeof definitions>;

export const scaleProgram: Program<ScaleOptions> = {
  intro: [
    'Predicts the time of a step on several GPUs, and how much of each is used, from a run on one.',
    '',
    'Usage: vernier scale --run outputs/run [--ranks 1,2,4,8] [--network_gbit 25]',
    '       vernier scale --micro_batch_seconds 1.2 --values 42000000 --gradient_accumulation_steps 8',
  ],
  definitions,
  check({ run, micro_batch_seconds, values, gradient_accumulation_steps, ranks }) {
    if (run === null && (micro_batch_seconds === null || values === null || gradient_accumulation_steps === null))
      throw new UserError('Give --run, or --micro_batch_seconds, --values and --gradient_accumulation_steps.');
    const odd = ranks.find((count) => !/^[1-9]\d{0,5}$/.test(count));
    if (odd !== undefined) throw new UserError(`--ranks: ${odd} is no number of GPUs; give whole numbers, as 1,2,4,8.`);
    return [];
  },
};
