/** A file of this machine that is asked about: a picture, or a volume. A DICOM file says itself what it is and how large its pixels are. */
import { useRef, useState } from 'preact/hooks';
import { isVolumeFile } from '../../src/data/making/names.ts';
import { isTiffHead } from '../../src/data/tiffDirectory.ts';
import type { ScanClient } from '../data/scanClient.ts';
import { pageWords } from '../studio/pageWords.ts';
import { errorText } from '../../src/platform.ts';

/** PS3.10, 7.1: four letters behind a preamble of 128 bytes. */
const isDicom = async (file: File): Promise<boolean> => (await file.slice(128, 132).text()) === 'DICM';

const isTiff = async (file: File): Promise<boolean> => isTiffHead(new Uint8Array(await file.slice(0, 4).arrayBuffer()));

export interface PickedFile {
  /** null: none yet, or it is still being looked at. */
  file: File | null;
  isVolume: boolean;
  modality: string;
  setModality: (modality: string) => void;
  /** mm a pixel of a picture, width and height, as it is written; '' where nobody said. */
  size: string;
  setSize: (size: string) => void;
  /** Why it cannot be asked about. */
  problem: string;
  pick: (file: File | null) => Promise<void>;
}

export function usePickedFile(scanClient: ScanClient): PickedFile {
  const [file, setFile] = useState<File | null>(null);
  const [isVolume, setVolume] = useState(false);
  const [modality, setModality] = useState('');
  const [size, setSize] = useState('');
  const [problem, setProblem] = useState('');
  const latest = useRef<File | null>(null);
  const pick = async (next: File | null): Promise<void> => {
    latest.current = next;
    setFile(null);
    setProblem('');
    try {
      const about = next !== null && (await isDicom(next)) ? await scanClient.askedDicom({ file: next, name: next.name }) : null;
      const tiff =
        next !== null && about === null && (await isTiff(next)) ? await scanClient.askedTiff({ file: next, name: next.name }) : null;
      if (latest.current !== next) return;
      setVolume((about ?? tiff)?.isVolume ?? (next !== null && isVolumeFile(next.name)));
      if (about !== null) {
        setModality(about.modality);
        setSize(about.pixelSize?.join(' ') ?? '');
      }
      setFile(next);
    } catch (error) {
      if (latest.current === next) setProblem(pageWords(errorText(error)));
    }
  };
  return { file, isVolume, modality, setModality, size, setSize, problem, pick };
}
