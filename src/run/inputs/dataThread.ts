/** What a data worker does, as a class of its own: without workers the same work runs in the main thread. */
import type { Example, LabelMask, Processor } from '../../data/example.ts';
import { ExampleMaker } from '../../data/exampleMaker.ts';
import type { RowRequest } from '../../data/exampleMaker.ts';
import { renderSlice, VolumeCache } from '../../data/medvision/slices.ts';
import { PreparedSet } from '../../data/prepared/preparedSet.ts';
import type { ShardEntry } from '../../data/prepared/manifest.ts';
import { writeShard } from '../../data/prepared/writeShard.ts';
import type { ShardJob, SliceSource } from '../../data/prepared/writeShard.ts';
import { pixelBounds } from '../../models/model.ts';
import type { PixelBounds } from '../../models/model.ts';
import { loadProcessor } from '../../models/processor.ts';
import { UserError } from '../../platform.ts';
import type { Platform, SixteenBit } from '../../platform.ts';

/** Plain data: it is sent to workers. */
export interface DataThreadSettings extends PixelBounds {
  /** Folder of the base model; its processor is read when the first row is made. */
  base: string;
  mask: LabelMask;
  vocabSize: number;
  /** Where volumes are; absent where rows need none. */
  dataDir?: string;
  /** A prepared folder to read rows from. */
  preparedDir?: string;
  /** Greys of more than 8 bits; default: clip. */
  sixteenBit?: SixteenBit;
  /** Volumes kept open, in bytes. */
  volumeBytes: number;
}

export class DataThread {
  private readonly platform: Platform;
  private readonly settings: DataThreadSettings;
  private readonly slice: SliceSource | undefined;
  private readonly processor: Processor | undefined;
  private readonly stop: AbortSignal | undefined;
  private maker: Promise<ExampleMaker> | undefined;

  /**
   * @param processor one that is open already; else it is read from the base model's folder
   * @param volumes of the data dir, where some are open already
   * @param stop no row is begun once it is aborted
   */
  constructor(
    platform: Platform,
    settings: DataThreadSettings,
    {
      processor,
      volumes: opened,
      stop,
    }: { processor?: Processor | undefined; volumes?: VolumeCache | undefined; stop?: AbortSignal | undefined } = {},
  ) {
    this.platform = platform;
    this.settings = settings;
    this.processor = processor;
    this.stop = stop;
    const { dataDir, volumeBytes } = settings;
    if (dataDir === undefined) return;
    const volumes = opened ?? new VolumeCache(platform, dataDir, volumeBytes);
    this.slice = async (sample) => renderSlice(await volumes.open(sample.imageFile), sample);
  }

  async make(request: RowRequest): Promise<Example> {
    this.maker ??= this.openMaker();
    return (await this.maker).make(request);
  }

  writeShard(job: ShardJob): Promise<ShardEntry> {
    const slice: SliceSource =
      this.slice ?? (() => Promise.reject(new UserError('Pictures are asked for without a --data_dir to cut them from.')));
    return writeShard(this.platform, job, slice);
  }

  private async openMaker(): Promise<ExampleMaker> {
    const { base, mask, vocabSize, preparedDir, sixteenBit } = this.settings;
    const processor = this.processor ?? (await loadProcessor(this.platform, base, pixelBounds(this.settings)));
    return new ExampleMaker(this.platform, processor, {
      mask,
      vocabSize,
      ...(sixteenBit && { sixteenBit }),
      ...(this.slice && { slice: this.slice }),
      ...(this.stop && { stop: this.stop }),
      ...(preparedDir !== undefined && { prepared: await PreparedSet.open(this.platform, preparedDir) }),
    });
  }
}
