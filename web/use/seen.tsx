/** What is asked about, as the model sees it, in the proportions of the body. */
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ScanClient } from '../data/scanClient.ts';
import { pageWords } from '../studio/pageWords.ts';
import { texts } from '../texts.ts';
import type { About } from './asked.ts';
import type { SeenPicture } from './askedInWorker.ts';
import { errorText } from '../../src/platform.ts';

export function Seen({ scanClient, about }: { scanClient: ScanClient; about: About }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { seen, problem, where } = useSeen(scanClient, about);
  // At once: the attributes and the picture are of one slice.
  useLayoutEffect(() => {
    if (seen !== null && canvas.current !== null) paint(canvas.current, seen);
  }, [seen]);
  const { name, plane, index } = 'slice' in about ? about.slice : { name: about.picture.name, plane: null, index: 0 };
  const [width, height] = seen?.pixelSize ?? [1, 1];
  const aspect = seen === null ? 1 : (seen.width * width) / (seen.height * height);
  return (
    <figure class="seen" aria-busy={seen === null && problem === ''}>
      {problem === '' ? (
        <canvas
          ref={canvas}
          role="img"
          aria-label={texts.use.seen(name, plane, index)}
          data-shown={seen === null ? undefined : where}
          style={{ aspectRatio: String(aspect) }}
        />
      ) : (
        <p class="wrong" role="alert">
          {problem}
        </p>
      )}
      <figcaption class="soft">{texts.use.seenHelp}</figcaption>
    </figure>
  );
}

interface Found {
  seen: SeenPicture | null;
  problem: string;
  /** What is seen. */
  where: string;
}

const whereOf = (about: About): string => ('slice' in about ? `${about.slice.plane} ${about.slice.index}` : 'picture');

/** Until the next one is there, the one before stays; while one is being read, only the last that was asked for waits. */
function useSeen(scanClient: ScanClient, about: About): Found {
  const [found, setFound] = useState<Found>({ seen: null, problem: '', where: '' });
  const state = useRef<{ wanted: About | null; isReading: boolean; isOver: boolean }>({ wanted: null, isReading: false, isOver: false });
  const { current } = state;
  const next = async (): Promise<void> => {
    while (current.wanted !== null && !current.isOver) {
      const { wanted } = current;
      current.wanted = null;
      const now = await scanClient.seen(wanted).then(
        (seen) => ({ seen, problem: '', where: whereOf(wanted) }),
        (error: unknown) => ({ seen: null, problem: pageWords(errorText(error)), where: '' }),
      );
      if (!current.isOver) setFound(now);
    }
    // At once: what is wanted from here on is read anew.
    current.isReading = false;
  };
  const key = keyOf(about);
  useEffect(() => {
    current.wanted = about;
    if (current.isReading) return;
    current.isReading = true;
    void next();
  }, [key]);
  useEffect(
    () => () => {
      current.isOver = true;
    },
    [],
  );
  return found;
}

function keyOf(about: About): string {
  const { file, ...other } = 'slice' in about ? about.slice : about.picture;
  return JSON.stringify([typeof file === 'string' ? file : [file.name, file.size, file.lastModified], other]);
}

function paint(canvas: HTMLCanvasElement, { rgb, width, height }: SeenPicture): void {
  const pixels = new ImageData(width, height);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    pixels.data[to] = rgb[from]!;
    pixels.data[to + 1] = rgb[from + 1]!;
    pixels.data[to + 2] = rgb[from + 2]!;
    pixels.data[to + 3] = 255;
  }
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext('2d')?.putImageData(pixels, 0, 0);
}
