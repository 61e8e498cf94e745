/** Which slice of a volume is asked about: beginning where something is drawn, or in the middle. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { sliceDimOf } from '../../src/data/drawn/annotation.ts';
import type { DrawnAnnotation } from '../../src/data/drawn/annotation.ts';
import type { Plane } from '../../src/data/planes.ts';
import type { ScanClient } from '../data/scanClient.ts';
import { Field } from '../parts/field.tsx';
import { pageWords } from '../studio/pageWords.ts';
import { texts } from '../texts.ts';
import { beginAt } from './asked.ts';
import type { SlicePlace } from './asked.ts';
import { errorText } from '../../src/platform.ts';

export interface AskedVolume {
  file: string | File;
  name: string;
  /** On it. */
  drawn: readonly DrawnAnnotation[];
}

/** Of the volume that is asked about; null: not read yet, or there is none. */
export interface SliceState {
  shape: readonly number[] | null;
  place: SlicePlace | null;
  problem: string;
  go: (place: SlicePlace) => void;
}

/** @param key of the volume; null: what is asked about is none */
export function useSlice(scanClient: ScanClient, key: string | null, { file, name, drawn }: AskedVolume): SliceState {
  const [found, setFound] = useState<{ key: string; shape: readonly number[] | null; problem: string } | null>(null);
  const [at, go] = useState<{ key: string; place: SlicePlace } | null>(null);
  useEffect(() => {
    if (key === null) return undefined;
    let isWanted = true;
    scanClient.askedShape({ file, name }).then(
      (shape) => isWanted && setFound({ key, shape, problem: '' }),
      (error: unknown) => {
        const problem = pageWords(errorText(error));
        if (isWanted) setFound({ key, shape: null, problem });
      },
    );
    return () => {
      isWanted = false;
    };
  }, [key]);
  const shape = found?.key === key ? found.shape : null;
  const place = at !== null && at.key === key ? at.place : shape === null ? null : beginAt(shape, drawn);
  return { shape, place, problem: found?.key === key ? found.problem : '', go: (next) => key !== null && go({ key, place: next }) };
}

export function SliceFields({ shape, place, go, drawn }: SliceState & Pick<AskedVolume, 'drawn'>): JSX.Element | null {
  if (shape === null || place === null) return null;
  const own = texts.use;
  const { plane, slice } = place;
  const count = shape[sliceDimOf(plane)] ?? 1;
  return (
    <>
      <Field label={own.plane}>
        {(ids) => (
          <select {...ids} value={plane} onChange={(event) => go(beginAt(shape, drawn, event.currentTarget.value as Plane))}>
            {(Object.keys(own.planes) as Plane[]).map((one) => (
              <option key={one} value={one} selected={one === plane}>
                {own.planes[one]}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label={own.slice(slice, count)} help={own.sliceHelp}>
        {(ids) => (
          <input
            {...ids}
            type="range"
            min={0}
            max={count - 1}
            value={slice}
            onInput={(event) => go({ plane, slice: event.currentTarget.valueAsNumber })}
          />
        )}
      </Field>
    </>
  );
}
