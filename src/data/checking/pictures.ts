/**
 * Pictures of rows before training: each file is looked at once, however many rows name it. That it is there, is a file, of a format that
 * is decoded and of what size is read from its first bytes; decoding it, which takes a hundred times as long, only where it is asked for.
 */
import type { Platform } from '../../platform.ts';
import { UserError } from '../../platform.ts';
import type { ImageSource } from '../example.ts';
import { DECODED_FORMATS, imageHeader, readImageHeader, shownSize, undecodable } from '../imageHeader.ts';
import type { ImageHeader } from '../imageHeaders/source.ts';
import { tooManyPixels } from '../pictures/decode.ts';
import type { RememberedPictures } from './remembered.ts';

export interface ImageSize {
  width: number;
  height: number;
}

/** What is known of a file: its size, or what is wrong with it. */
type Verdict = ImageSize | UserError;

/** Files whose verdict is kept for the next row that names them. */
const KEPT = 65_536;

export class PictureChecker {
  private readonly platform: Platform;
  private readonly remembered: RememberedPictures | undefined;
  private readonly verdicts = new Map<string, Promise<Verdict>>();
  private readonly decoded = new Map<string, Promise<UserError | undefined>>();

  constructor(platform: Platform, remembered?: RememberedPictures) {
    this.platform = platform;
    this.remembered = remembered;
  }

  /** Size as it is seen, from the header. @throws UserError that names the picture */
  async size(image: ImageSource): Promise<ImageSize> {
    if (typeof image !== 'string') return sizeOf(imageHeader(image.bytes, image.name), image.name);
    return thrown(await kept(this.verdicts, image, () => caught(() => this.look(image))));
  }

  /** Whether it can be decoded, in full. @throws UserError that names the picture */
  async decode(image: ImageSource): Promise<void> {
    if (typeof image !== 'string') {
      await this.platform.decodeImage(image.bytes, image.name);
      return;
    }
    const error = await kept(this.decoded, image, async () => {
      const look = await this.platform.look?.(image);
      if (look && this.remembered?.find(image, look)?.isDecoded) return undefined;
      const verdict = await caught(async () => {
        const { width, height } = await this.platform.decodeImage(await this.platform.readFile(image), image);
        if (look) this.remembered?.add(image, look, { width, height, isDecoded: true });
      });
      return verdict instanceof UserError ? verdict : undefined;
    });
    if (error) throw error;
  }

  private async look(path: string): Promise<ImageSize> {
    const { platform } = this;
    const look = await platform.look?.(path);
    if (look === undefined && !(await platform.exists(path))) {
      throw new UserError(`the image ${path} does not exist. Paths are absolute or relative to the file of the rows.`);
    }
    const kind = look?.kind ?? ((await platform.isDirectory(path)) ? 'folder' : 'file');
    if (kind === 'folder') throw new UserError(`the image ${path} is a folder. Name an image file.`);
    // A pipe or a device would be waited for, or read, for ever.
    if (kind === 'other') throw new UserError(`the image ${path} is no ordinary file (a pipe, a socket or a device). Name an image file.`);
    const known = look && this.remembered?.find(path, look);
    if (known) return known;
    const file = await platform.openFile(path);
    try {
      const size = sizeOf(await readImageHeader(file), path);
      if (look) this.remembered?.add(path, look, { ...size, isDecoded: false });
      return size;
    } finally {
      await file.close();
    }
  }
}

function sizeOf(header: ImageHeader, name: string): ImageSize {
  if (!DECODED_FORMATS.includes(header.format)) throw undecodable(name, header.format);
  const words = tooManyPixels(header.width, header.height);
  if (words !== undefined) throw new UserError(`Image ${name}: ${words}.`);
  return shownSize(header);
}

async function caught<T>(work: () => Promise<T>): Promise<T | UserError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}

function thrown(verdict: Verdict): ImageSize {
  if (verdict instanceof UserError) throw verdict;
  return verdict;
}

/** What `make` gives for a file, made once; the oldest are forgotten. */
function kept<T>(map: Map<string, Promise<T>>, path: string, make: () => Promise<T>): Promise<T> {
  const known = map.get(path);
  if (known) return known;
  const making = make();
  map.set(path, making);
  if (map.size > KEPT) map.delete(map.keys().next().value ?? '');
  return making;
}
