/** In the thread of the Data step, which waits for no step of a run: what is asked about, to be looked at and to be asked. */
import { transfer } from 'comlink';
import type { Volume } from '../../src/data/nifti.ts';
import { tiffPages } from '../../src/data/openVolume.ts';
import type { DecodedImage } from '../../src/platform.ts';
import { pickedPath, volumeOf } from '../data/openVolumes.ts';
import { ofScan, pictureOf } from '../data/scanPixels.ts';
import { platform } from '../here.ts';
import type { AskedDicom } from './askedDicom.ts';
import { askedSlice } from './askedSlice.ts';
import type { AskedSlice, SliceChoice } from './askedSlice.ts';

/** What the model sees. */
export interface SeenPicture {
  /** (height, width, 3). */
  rgb: Uint8Array;
  width: number;
  height: number;
  pixelSize?: [width: number, height: number];
}

export interface PictureChoice {
  /** Where a scan of the project lies, or a picture that was picked. */
  file: string | File;
  name: string;
}

/** What is asked about, as an encoded picture. */
export interface AskedPicture extends Pick<AskedSlice, 'path' | 'pixelSize'> {
  /** PNG. */
  bytes: Uint8Array;
}

export const askedFunctions = {
  /** @returns voxels along the three axes @throws UserError for what is no volume */
  askedShape: (of: Pick<SliceChoice, 'file' | 'name'>): Promise<number[]> => opened(of, (volume) => Promise.resolve([...volume.shape])),

  /** @throws UserError for a file that cannot be read */
  async askedDicom({ file, name }: { file: File; name: string }): Promise<AskedDicom> {
    const path = pickedPath(file);
    return ofScan({ file: path, name }, async () => (await import('./askedDicom.ts')).askedDicom(platform, path));
  },

  /** Whether a TIFF file is a volume, or one that is refused as such; its name does not tell. */
  askedTiff: async ({ file, name }: { file: File; name: string }): Promise<{ isVolume: boolean }> => {
    const path = pickedPath(file);
    return ofScan({ file: path, name }, async () => ({ isVolume: (await tiffPages(platform, path)) !== 'one' }));
  },

  /** @throws UserError for a slice that is not there, and for what is no volume */
  askedSlice: (choice: SliceChoice): Promise<AskedPicture> =>
    opened(choice, async (volume) => {
      const { image, ...about } = await askedSlice(volume, choice);
      const bytes = await platform.encodePng(image.data, image.width, image.height, 3);
      return transfer({ bytes, ...about }, [bytes.buffer as ArrayBuffer]);
    }),

  /** @throws UserError for a slice that is not there, and for what is no volume or picture */
  async seen(choice: { slice: SliceChoice } | { picture: PictureChoice }): Promise<SeenPicture> {
    if ('slice' in choice) {
      const { image, pixelSize } = await opened(choice.slice, (volume) => askedSlice(volume, choice.slice));
      return shown(image, pixelSize);
    }
    const { file, name } = choice.picture;
    if (typeof file === 'string') return shown(await ofScan({ file, name }, () => pictureOf(platform, { file, name })));
    return shown(await platform.decodeImage(new Uint8Array(await file.arrayBuffer()), name, { sixteenBit: 'window' }));
  },
};

function opened<T>({ file, name }: Pick<SliceChoice, 'file' | 'name'>, work: (volume: Volume) => Promise<T>): Promise<T> {
  const path = typeof file === 'string' ? file : pickedPath(file);
  return ofScan({ file: path, name }, async () => work(await volumeOf(path)));
}

function shown({ data, width, height }: DecodedImage, pixelSize?: [number, number]): SeenPicture {
  const rgb = data.slice();
  return transfer({ rgb, width, height, ...(pixelSize && { pixelSize }) }, [rgb.buffer as ArrayBuffer]);
}
