/** A prepared folder, opened: rows by set and number, read when they are asked for. */
import { joinPath, UserError } from '../../platform.ts';
import type { DecodedImage, Platform } from '../../platform.ts';
import type { MedvisionSample } from '../medvision/sample.ts';
import type { Identity } from './identity.ts';
import { readManifest, rowCount } from './manifest.ts';
import type { Manifest } from './manifest.ts';
import { checkIdentity, missingShards } from './prepare.ts';
import type { PreparedRow, PreparedSplit } from './row.ts';
import type { ShardReader } from './shard.ts';

export class PreparedSet {
  readonly dir: string;
  readonly manifest: Manifest;
  private readonly platform: Platform;
  private readonly reader: ShardReader;

  private constructor(platform: Platform, dir: string, manifest: Manifest, reader: ShardReader) {
    this.platform = platform;
    this.dir = dir;
    this.manifest = manifest;
    this.reader = reader;
  }

  /**
   * @param wanted settings the rows must have been prepared with, as far as they are known; absent: whatever is there
   * @throws UserError where nothing is prepared, it is damaged, or it was prepared with other settings (each is named)
   */
  static async open(platform: Platform, dir: string, wanted?: Identity): Promise<PreparedSet> {
    const manifest = await readManifest(platform, dir);
    if (manifest === undefined) {
      const unfinished = (await platform.exists(joinPath(dir, 'unfinished.jsonl'))) ? ' The data there is unfinished.' : '';
      throw new UserError(
        `${dir}: there is no prepared data.${unfinished} Prepare it with --process_dataset_only true, or leave out --skip_process_dataset.`,
      );
    }
    if (wanted !== undefined) checkIdentity(dir, manifest, wanted, true);
    const missing = await missingShards(platform, dir, manifest);
    if (missing.length > 0) {
      throw new UserError(
        `${dir}: ${missing.length === 1 ? 'a file is' : `${missing.length} files are`} missing or of another size than the manifest ` +
          `says: ` +
          `${missing.slice(0, 4).join(', ')}. Run --process_dataset_only true with the same settings; it makes only these again.`,
      );
    }
    const shards = await import('./shard.ts'); // the reader of Parquet
    return new PreparedSet(platform, dir, manifest, new shards.ShardReader(platform));
  }

  rows(split: PreparedSplit): number {
    return rowCount(this.manifest.splits[split]);
  }

  /** The file and the row in it. Rows of one file lie together, so this is also what a cache goes by. */
  locate(split: PreparedSplit, index: number): { path: string; row: number } {
    let start = 0;
    for (const { file, rows } of this.manifest.splits[split]) {
      if (index < start + rows) return { path: joinPath(this.dir, file), row: index - start };
      start += rows;
    }
    throw new RangeError(`row ${index} of ${start} prepared ${split} rows`);
  }

  async row(split: PreparedSplit, index: number): Promise<PreparedRow> {
    const { path, row } = this.locate(split, index);
    return this.reader.row(path, row);
  }

  /** All samples in order, without their pictures, a file at a time. */
  async *samples(split: PreparedSplit): AsyncGenerator<MedvisionSample, void, undefined> {
    for (const { file } of this.manifest.splits[split]) yield* await this.reader.samples(joinPath(this.dir, file));
  }

  /** The picture of a row that has one. */
  async picture({ sample, image }: PreparedRow): Promise<DecodedImage | undefined> {
    if (image === null) return undefined;
    const decoded = await this.platform.decodeImage(image.bytes, joinPath(this.dir, image.path));
    if (decoded.height === sample.height && decoded.width === sample.width) return decoded;
    throw new UserError(
      `${this.dir}: the picture ${image.path} is ${decoded.width}×${decoded.height}, its row says ${sample.width}×${sample.height}. ` +
        `Prepare the data again.`,
    );
  }

  /** The rough lengths of all rows, to group rows of like length; one column is read. */
  async lengths(split: PreparedSplit): Promise<Int32Array> {
    const lengths = new Int32Array(this.rows(split));
    let at = 0;
    for (const { file } of this.manifest.splits[split]) {
      for (const value of await this.reader.column(joinPath(this.dir, file), 'length_estimate')) lengths[at++] = Number(value);
    }
    return lengths;
  }
}
