/** `vernier volume`: what a scan is, and the scan as a NIfTI volume or one of its slices as a picture. */
import { PLANES } from '../../data/planes.ts';
import { scanSpace, scanVolume } from '../../data/dicom/toVolume.ts';
import { checkFinite, sliceToRgb } from '../../data/medvision/intensity.ts';
import { Volume } from '../../data/nifti.ts';
import type { SliceDim } from '../../data/nifti.ts';
import { parseHeader } from '../../data/niftiHeader.ts';
import { rasVolume } from '../../data/niftiRas.ts';
import { gzipped, niftiBytes } from '../../data/niftiWrite.ts';
import type { NewVolume } from '../../data/niftiWrite.ts';
import type { VolumeOptions } from '../../options/volume.ts';
import { UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import type { Terminal } from '../../track/console.ts';
import { describe, openScan } from './described.ts';
import type { Described, Scan } from './described.ts';
import { shownPlanes } from './shownPlanes.ts';
import { addSliceRow } from './sliceRow.ts';
import type { Planes } from './sliceRow.ts';

interface VolumeRun {
  platform: Platform;
  options: VolumeOptions;
  terminal: Pick<Terminal, 'write'>;
  /** Looked at between slices. */
  stop: AbortSignal;
}

/** @throws UserError that names the file */
export async function runVolume({ platform, options, terminal, stop }: VolumeRun): Promise<void> {
  const [path = ''] = options.input;
  const { out } = options;
  const isRow = out !== null && /\.jsonl$/i.test(out);
  if (out !== null && !isRow && !options.overwrite && (await platform.exists(out)))
    throw new UserError(`--out ${out} is there already. Give another name, or --overwrite true.`);
  const scan = await openScan(platform, path, { series: options.series, volume: options.volume });
  if (out !== null) {
    if (isRow) await writeRow(platform, scan, path, out, options, stop);
    else if (/\.png$/i.test(out)) await writePicture(platform, scan, path, out, options, stop);
    else await writeVolume(platform, scan, path, out);
  }
  const described = await describe(platform, scan, stop);
  terminal.write(options.json ? `${JSON.stringify(described)}\n` : tableOf(described));
  if (out !== null && !options.json) terminal.write(`Written: ${out}\n`);
}

async function writeVolume(platform: Platform, scan: Scan, path: string, out: string): Promise<void> {
  const bytes = niftiBytes(await volumeOf(scan, path));
  await platform.writeFile(out, /\.gz$/i.test(out) ? gzipped(bytes) : bytes);
}

async function volumeOf(scan: Scan, path: string): Promise<NewVolume> {
  if (scan.kind === 'picture') throw new UserError(`${path} is a picture, of which no volume can be made.`);
  if (scan.kind === 'dicom') return scanVolume(scan.scan, path);
  return { ...(await rasVolume(scan.volume)), isUnitless: (scan.volume.header.sizeless ?? []).length > 0 };
}

async function writePicture(
  platform: Platform,
  scan: Scan,
  path: string,
  out: string,
  { slice, plane }: VolumeOptions,
  stop: AbortSignal,
): Promise<void> {
  if (scan.kind === 'picture') {
    const { data, width, height } = scan.picture;
    return platform.writeFile(out, await platform.encodePng(data, width, height, 3));
  }
  if (scan.kind === 'dicom' && plane === null) {
    const { size, samples, photometric } = scan.scan;
    const shown = (await scan.scan.readSlice(indexOf(slice, size[0], path))).shown();
    const channels = samples === 3 || photometric === 'PALETTE COLOR' ? 3 : 1;
    return platform.writeFile(out, await platform.encodePng(shown, size[2], size[1], channels));
  }
  const { shape, shown } = await planesOf(scan, path, 'minmax', stop);
  const dim = PLANES.indexOf(plane ?? 'axial') as SliceDim;
  for await (const { data, width, height } of shown(dim, [indexOf(slice, shape[dim], path)]))
    await platform.writeFile(out, await platform.encodePng(data, width, height, 3));
}

async function writeRow(
  platform: Platform,
  scan: Scan,
  path: string,
  out: string,
  options: VolumeOptions,
  stop: AbortSignal,
): Promise<void> {
  const planes = await planesOf(scan, path, options.ct_rgb ? 'ct_rgb' : 'minmax', stop);
  await addSliceRow(platform, planes, options.slices ?? 0, { path, out, options });
}

/** @param intensity of what says nothing of how it is shown; DICOM is shown as it says, unless three windows of CT are asked for */
async function planesOf(scan: Scan, path: string, intensity: 'minmax' | 'ct_rgb', stop: AbortSignal): Promise<Planes> {
  const modality = scan.kind === 'dicom' ? scan.scan.modality : undefined;
  if (intensity === 'ct_rgb' && modality !== undefined && modality !== 'CT')
    throw new UserError(`--ct_rgb shows Hounsfield units of CT; ${path} is ${modality}. Leave it out.`);
  if (scan.kind === 'dicom' && intensity !== 'ct_rgb') {
    const { shape } = scanSpace(scan.scan, path);
    return { shape, shown: (dim, indices) => shownPlanes(scan.scan, dim, indices, path, stop) };
  }
  const volume = await inMemory(await volumeOf(scan, path), path);
  return {
    shape: volume.shape,
    async *shown(dim, indices) {
      for (const index of indices) {
        stop.throwIfAborted();
        const cut = await volume.slice(dim, index);
        checkFinite(cut, `${path}: slice ${index}`);
        yield sliceToRgb(cut, intensity);
      }
    },
  };
}

async function inMemory(volume: NewVolume, path: string): Promise<Volume> {
  const { voxels, ...rest } = volume;
  return new Volume(await parseHeader(niftiBytes({ ...rest, voxels: voxels.slice(0, 0) }), path), voxels);
}

function indexOf(slice: number | null, count: number, path: string): number {
  if (slice === null) return count >> 1;
  if (slice >= count) throw new UserError(`--slice ${slice}: ${path} has slices 0 to ${count - 1}.`);
  return slice;
}

const mmText = (mm: number | null): string => (mm === null ? 'unknown' : `${Number(mm.toFixed(4))} mm`);

function tableOf(described: Described): string {
  const [slices, rows, columns] = described.size;
  const [between, rowMm, columnMm] = described.spacing_mm;
  const axes = described.orientation?.axes.map((letter) => letter ?? '?').join(' ');
  const { window } = described;
  const lines: [string, string][] = [
    ['size', `${slices} slices × ${rows} rows × ${columns} columns${described.samples === 3 ? ', in colour' : ''}`],
    ['between slices', slices === 1 ? 'one slice' : mmText(between)],
    ['between rows', mmText(rowMm)],
    ['between columns', mmText(columnMm)],
    ['values', `${described.min} to ${described.max}${described.units === null ? '' : ` ${described.units}`}`],
    ['orientation', axes === undefined ? 'unknown' : `slices, rows, columns go to ${axes}`],
    ['photometric', described.photometric ?? 'none'],
    ['window', window === null ? 'none' : 'table' in window ? 'a table' : `${window.center} ± ${window.width / 2} (${window.function})`],
    ['modality', described.modality ?? 'unknown'],
    ['sha256', described.sha256],
  ];
  return [...lines.map(([name, text]) => `${name.padEnd(17)}${text}\n`), ...described.notes.map((note) => `Note: ${note}.\n`)].join('');
}
