/** Rows of MedVision task lists: straight from the volumes, or from a prepared folder, which is made first where the options ask for it. */
import { askedOf } from '../../data/medvision/answerRows.ts';
import { collectSamples } from '../../data/medvision/collect.ts';
import type { CollectedSamples } from '../../data/medvision/collect.ts';
import { reportLines } from '../../data/medvision/report.ts';
import { VolumeCache } from '../../data/medvision/slices.ts';
import type { Identity, ImageStorage } from '../../data/prepared/identity.ts';
import { MANIFEST, readManifest, rowCount } from '../../data/prepared/manifest.ts';
import type { Manifest } from '../../data/prepared/manifest.ts';
import { checkIdentity, coversImages, missingShards, prepareFolder } from '../../data/prepared/prepare.ts';
import { PreparedSet } from '../../data/prepared/preparedSet.ts';
import { imageStorage, modelIdentity, plansOfManifest, preparedFolder, preparedIdentity } from '../../data/prepared/settings.ts';
import { readingUntil } from '../../io/stoppablePlatform.ts';
import { loadProcessor } from '../../models/processor.ts';
import { countOf, joinPath } from '../../platform.ts';
import { countText, durationText } from '../../track/console.ts';
import { CLEAR_LINE } from '../../track/printable.ts';
import { preparedRows, sampleRows } from '../../train/sources.ts';
import type { RunContext } from '../context.ts';
import { ALONE, doAll } from '../../world/world.ts';
import { openDataWorkers } from '../inputs/dataWorkers.ts';
import type { DataWorkers } from '../inputs/dataWorkers.ts';
import type { FoundRows } from '../inputs/foundRows.ts';
import { handsOf, writeForFirst } from './together.ts';
import { labelMask } from '../inputs/labelMask.ts';
import { imageSizeFacts, imageSizes } from '../../options/imageSizes.ts';

const VOLUME_BYTES = 1024 * 2 ** 20;

/** Undefined when Ctrl-C ended the preparation. */
export async function findTaskRows(context: RunContext, base: string): Promise<FoundRows | undefined> {
  const { options } = context;
  const images = imageStorage(options);
  if (options.skip_process_dataset) return rowsOf(context, await openPrepared(context, base));
  if (options.prepared_ds_dir === null && images === 'none') return rowsOfVolumes(context, base);
  if (options.dry_run) return rowsWithoutPreparing(context, base);
  const prepared = await prepare(context, base);
  return prepared && rowsOf(context, prepared);
}

/** `--dry_run true`, which writes nothing: what would be prepared is read from the volumes, of which it would be the same. */
async function rowsWithoutPreparing(context: RunContext, base: string): Promise<FoundRows> {
  const { dir, whole } = await lookForPrepared(context, base);
  if (whole !== undefined) return rowsOf(context, whole);
  context.say(`${dir} would be prepared first; for the plan the rows are read from the volumes.`);
  return rowsOfVolumes(context, base);
}

/**
 * `--process_dataset_only true`: prepares the rows as training would read them, and ends. Needs no GPU and no weights. `base` is the
 * model's folder.
 */
export async function prepareRows(context: RunContext, base: string): Promise<void> {
  await prepareTogether(context, base);
}

/**
 * The folder made by all ranks; called at every one.
 * @returns false when Ctrl-C ended it
 */
export async function prepareTogether(context: RunContext, base: string): Promise<boolean> {
  const { world = ALONE } = context;
  if (world.rank === 0) {
    const prepared = await prepare(context, base);
    await world.dismiss();
    return doAll(world, prepared !== undefined);
  }
  await writeForFirst(world, () => openWriters(context, base));
  return doAll(world, true);
}

/** Whether training begins by preparing rows, in which other ranks can help. */
export function preparesFirst({ options }: Pick<RunContext, 'options'>): boolean {
  return (
    options.train_file === null && !options.skip_process_dataset && (options.prepared_ds_dir !== null || imageStorage(options) !== 'none')
  );
}

/** @param volumes those of the data dir, where some are open already */
function openWriters(context: RunContext, base: string, volumes?: VolumeCache): Promise<DataWorkers> {
  const { platform, options } = context;
  const settings = { base, mask: labelMask(options), vocabSize: Infinity, volumeBytes: VOLUME_BYTES, ...dataDirOf(context) };
  // Annotations alone are no work to share: sending them to a thread costs more time and memory than writing them.
  const count = imageStorage(options) === 'none' ? 0 : options.num_workers_format_dataset;
  return openDataWorkers(platform, settings, { count, start: context.startWorkers, ...(volumes && { volumes }) });
}

async function rowsOfVolumes(context: RunContext, base: string): Promise<FoundRows> {
  const { train, validation, resizedSize, report } = await collect(context, base);
  return {
    plans: report.plans,
    train: sampleRows(train, resizedSize),
    validation: sampleRows(validation, resizedSize),
    validationQuestion: (index) => Promise.resolve(askedOf(validation.at(index))),
    ...dataDirOf(context),
  };
}

function rowsOf(context: RunContext, set: PreparedSet): FoundRows {
  return {
    plans: plansOfManifest(set.manifest),
    train: preparedRows(set, 'train'),
    validation: preparedRows(set, 'validation'),
    validationQuestion: async (index) => askedOf((await set.row('validation', index)).sample),
    preparedDir: set.dir,
    ...dataDirOf(context),
  };
}

function dataDirOf({ options }: RunContext): { dataDir?: string } {
  return options.data_dir === null ? {} : { dataDir: options.data_dir };
}

async function collect({ platform, options, say, stop }: RunContext, base: string): Promise<CollectedSamples> {
  const processor = await loadProcessor(platform, base, imageSizes(options));
  // Reading plans and headers ends with the user's stop; a file of pictures that is being written is written to its end.
  const volumes = options.data_dir === null ? undefined : new VolumeCache(platform, options.data_dir, VOLUME_BYTES, stop);
  const collected = await collectSamples(readingUntil(platform, stop), options, processor, volumes);
  for (const line of reportLines(collected.report)) say(line);
  return collected;
}

/** `--skip_process_dataset true`: what was prepared before, if it was prepared for this run. */
async function openPrepared({ platform, options, say }: RunContext, base: string): Promise<PreparedSet> {
  const hasLists = [options.tasks_list_json_path_AD, options.tasks_list_json_path_detect, options.tasks_list_json_path_TL].some(
    (path) => path !== null,
  );
  // Prepared rows may be on a machine without the data, and be all that is named: then only what matters to the model is compared.
  const hasPlans = options.data_dir !== null && (await platform.isDirectory(joinPath(options.data_dir, 'Datasets')));
  const identity: Identity = hasLists
    ? await preparedIdentity(platform, options, base, hasPlans)
    : { ...(await modelIdentity(platform, base)), ...imageSizeFacts(options) };
  const dir = await folderOf(platform, options, identity);
  const set = await PreparedSet.open(platform, dir, identity);
  say(`Prepared data: ${dir}, ${set.rows('train')} training and ${set.rows('validation')} validation rows.`);
  return set;
}

/** The folder named, or else that of these settings, with the pictures stored in whichever way. */
async function folderOf(platform: RunContext['platform'], options: RunContext['options'], identity: Identity): Promise<string> {
  const asked = imageStorage(options);
  const ways: ImageStorage[] = [asked, 'files', 'embedded', 'none'];
  for (const way of ways) {
    const dir = await preparedFolder(options, identity, way);
    if (await platform.exists(joinPath(dir, MANIFEST))) return dir;
  }
  return preparedFolder(options, identity, asked);
}

interface Look {
  dir: string;
  identity: Identity;
  /** Where nothing is left to do. */
  whole?: PreparedSet;
}

/** A look before the plans are read through: they may be hundreds of MB, and nothing of them is needed where the folder is whole. */
async function lookForPrepared({ platform, options, say }: RunContext, base: string): Promise<Look> {
  const images = imageStorage(options);
  const identity = await preparedIdentity(platform, options, base);
  const dir = await preparedFolder(options, identity, images);
  const there = await readManifest(platform, dir);
  if (there === undefined) return { dir, identity };
  checkIdentity(dir, there, identity);
  if (!coversImages(there.images, images) || (await missingShards(platform, dir, there)).length > 0) return { dir, identity };
  say(`Prepared data: ${dir} is complete, ${summary(there)}; nothing to do.`);
  return { dir, identity, whole: await PreparedSet.open(platform, dir) };
}

/** The folder made, continued, or found whole. Undefined when Ctrl-C ended it. */
async function prepare(context: RunContext, base: string): Promise<PreparedSet | undefined> {
  const { platform, options, stop, terminal, say } = context;
  const { dir, identity, whole } = await lookForPrepared(context, base);
  if (whole !== undefined) return whole;
  const images = imageStorage(options);
  const startedAt = performance.now();
  const { train, validation, resizedSize, volumes } = await collect(context, base);
  const total = train.length + validation.length;
  const workers = await openWriters(context, base, volumes);
  const hands = handsOf(workers, images === 'none' ? ALONE : context.world);
  let done = 0;
  try {
    const prepared = await prepareFolder(platform, {
      dir,
      identity,
      pin: options.planner_version,
      images,
      samples: { train, validation },
      resizedSize,
      write: hands.write,
      workers: hands.count,
      stop,
      onWait: ({ words, isAlive }) =>
        say(
          `${dir} ${isAlive ? 'is' : 'was'} being prepared by ${words}; waiting for ` +
            `it${isAlive ? '' : ', or until it is seen to be gone (up to 90 s)'}.`,
        ),
      onProgress: (rows) => {
        done += rows;
        if (terminal.isTty) terminal.write(`${CLEAR_LINE}Preparing rows: ${countText(done)} of ${countText(total)}`);
        else if (Math.floor((10 * done) / total) > Math.floor((10 * (done - rows)) / total) && done < total)
          say(`${countText(done)} of ${countText(total)} ${total === 1 ? 'row' : 'rows'} prepared.`);
      },
    });
    if (terminal.isTty) terminal.write(CLEAR_LINE);
    if (prepared === undefined) {
      say(`Stopped; ${done} of ${countOf(total, 'row')} ${done === 1 ? 'is' : 'are'} prepared, and the same command goes on from there.`);
      return undefined;
    }
    const { manifest, isReused, keptRows } = prepared;
    const kept = !isReused && keptRows > 0 ? `, ${countOf(keptRows, 'row')} of them from a run before` : '';
    say(`Prepared data: ${dir}, ${summary(manifest)} in ${durationText((performance.now() - startedAt) / 1000)}${kept}.`);
    return await PreparedSet.open(platform, dir);
  } finally {
    await workers.close();
  }
}

function summary({ splits, images }: Manifest): string {
  const pictures = { none: 'without pictures', embedded: 'pictures inside', files: 'pictures inside and as PNG files' }[images];
  return `${rowCount(splits.train)} training and ${rowCount(splits.validation)} validation rows, ${pictures}`;
}
