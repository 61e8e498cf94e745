/** A question about a scan of the project or a picture of this machine, in one's own words or one of MedVision's. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Plane } from '../../src/data/drawn/annotation.ts';
import { BY_MODALITY, CT_WINDOWS, windowOf } from '../../src/data/medvision/intensity.ts';
import type { IntensityChoice } from '../../src/data/medvision/intensity.ts';
import { GreyLevels } from '../data/greyLevels.tsx';
import { Field } from '../parts/field.tsx';
import { Modality } from '../parts/modality.tsx';
import type { Project } from '../studio/project.ts';
import { texts } from '../texts.ts';
import { askedOf } from './asked.ts';
import type { AskedQuestion, Kind } from './asked.ts';

const isVolumeName = (name: string): boolean => /\.nii(\.gz)?$/i.test(name);

export interface QuestionFormProps {
  project: Pick<Project, 'scans' | 'annotations'>;
  disabled: boolean;
  onAsk: (asked: AskedQuestion) => void;
}

export function QuestionForm({ project: { scans, annotations }, disabled, onAsk }: QuestionFormProps): JSX.Element {
  const [file, setFile] = useState<File | null>(null);
  const [chosen, choose] = useState('');
  const [plane, setPlane] = useState<Plane>('axial');
  const [slice, setSlice] = useState('0');
  const [kind, setKind] = useState<Kind>('Detection');
  const [words, setWords] = useState('');
  const [size, setSize] = useState('');
  const [modality, setModality] = useState('');
  const [intensity, setIntensity] = useState<IntensityChoice>(BY_MODALITY);
  const scan = chosen === 'file' ? undefined : (scans.find(({ id }) => id === chosen) ?? (file === null ? scans[0] : undefined));
  const isVolume = scan === undefined ? file !== null && isVolumeName(file.name) : scan.kind === 'volume';
  const labels = [...new Set(annotations.map(({ label }) => label))];
  const isMissing = scan === undefined && file === null;
  const own = texts.use;
  const needsSize = !isVolume && kind !== '' && kind !== 'Detection' && (scan === undefined || scan.spacing === null);
  return (
    <form
      class="question"
      onSubmit={(event) => {
        event.preventDefault();
        const from = scan ? { scan } : file && { file, isVolume, modality, intensity };
        if (from !== null) onAsk(askedOf({ from, plane, slice, kind, words, size }));
      }}
    >
      <div class="row">
        <Field label={own.picture}>
          {(ids) => (
            <select {...ids} value={scan?.id ?? 'file'} onChange={(event) => choose(event.currentTarget.value)}>
              {scans.map(({ id, name }) => (
                <option key={id} value={id} selected={id === scan?.id}>
                  {name}
                </option>
              ))}
              {file !== null && (
                <option value="file" selected={scan === undefined}>
                  {file.name}
                </option>
              )}
              {isMissing && <option value="file">–</option>}
            </select>
          )}
        </Field>
        <Field label={own.pickPicture}>
          {(ids) => (
            <input
              {...ids}
              type="file"
              accept=".png,.jpg,.jpeg,.webp,.nii,.nii.gz,.gz"
              onChange={(event) => {
                setFile(event.currentTarget.files?.[0] ?? null);
                choose('file');
              }}
            />
          )}
        </Field>
      </div>
      {isMissing && <p class="soft">{own.noPicture}</p>}
      {isVolume && (
        <div class="row">
          <Field label={own.plane}>
            {(ids) => (
              <select {...ids} value={plane} onChange={(event) => setPlane(event.currentTarget.value as Plane)}>
                {(Object.keys(own.planes) as Plane[]).map((one) => (
                  <option key={one} value={one} selected={one === plane}>
                    {own.planes[one]}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <Field label={own.slice} help={own.sliceHelp}>
            {(ids) => (
              <input {...ids} type="number" min={0} step={1} value={slice} onInput={(event) => setSlice(event.currentTarget.value)} />
            )}
          </Field>
          {scan === undefined && (
            <>
              <Modality value={modality} onChange={setModality} />
              <GreyLevels value={intensity} begin={windowOf(CT_WINDOWS['soft tissue'])} onChange={setIntensity} />
            </>
          )}
        </div>
      )}
      <div class="row">
        <Field label={own.kind}>
          {(ids) => (
            <select {...ids} value={kind} onChange={(event) => setKind(event.currentTarget.value as Kind)}>
              {(Object.keys(own.kinds) as Kind[]).map((one) => (
                <option key={one} value={one} selected={one === kind}>
                  {own.kinds[one]}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label={kind === '' ? own.question : own.of} help={own.ofHelp[kind] || undefined}>
          {(ids) => (
            <>
              <input {...ids} type="text" list="drawn-labels" value={words} onInput={(event) => setWords(event.currentTarget.value)} />
              <datalist id="drawn-labels">
                {labels.map((label) => (
                  <option key={label} value={label} />
                ))}
              </datalist>
            </>
          )}
        </Field>
        {needsSize && (
          <Field label={own.pixelSize} help={own.pixelSizeHelp}>
            {(ids) => (
              <input {...ids} type="text" inputMode="decimal" value={size} onInput={(event) => setSize(event.currentTarget.value)} />
            )}
          </Field>
        )}
      </div>
      <p>
        <button type="submit" disabled={disabled || isMissing || words.trim() === ''}>
          {own.start}
        </button>
      </p>
    </form>
  );
}
