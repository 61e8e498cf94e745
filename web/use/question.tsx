/** A question about a scan of the project or a picture of this machine, in one's own words or one of MedVision's. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { BY_MODALITY, CT_WINDOWS, windowOf } from '../../src/data/medvision/intensity.ts';
import type { IntensityChoice } from '../../src/data/medvision/intensity.ts';
import { GreyLevels } from '../data/greyLevels.tsx';
import type { ScanClient } from '../data/scanClient.ts';
import { Field } from '../parts/field.tsx';
import { Modality } from '../parts/modality.tsx';
import type { Project } from '../studio/project.ts';
import { texts } from '../texts.ts';
import { askedOf } from './asked.ts';
import type { AskedQuestion, Kind, Said } from './asked.ts';
import { usePickedFile } from './pickedFile.ts';
import { Seen } from './seen.tsx';
import { SliceFields, useSlice } from './sliceFields.tsx';

export interface QuestionFormProps {
  project: Pick<Project, 'scans' | 'annotations'>;
  scanClient: ScanClient;
  disabled: boolean;
  onAsk: (asked: AskedQuestion) => void;
}

export function QuestionForm({ project: { scans, annotations }, scanClient, disabled, onAsk }: QuestionFormProps): JSX.Element {
  const picked = usePickedFile(scanClient);
  const { file, size, setSize, modality, setModality } = picked;
  const [chosen, choose] = useState('');
  const [kind, setKind] = useState<Kind>('Detection');
  const [words, setWords] = useState('');
  const [intensity, setIntensity] = useState<IntensityChoice>(BY_MODALITY);
  const scan = chosen === 'file' ? undefined : (scans.find(({ id }) => id === chosen) ?? (file === null ? scans[0] : undefined));
  const isVolume = scan === undefined ? file !== null && picked.isVolume : scan.kind === 'volume';
  const labels = [...new Set(annotations.map(({ label }) => label))];
  const isMissing = scan === undefined && file === null;
  const own = texts.use;
  const needsSize = !isVolume && kind !== '' && kind !== 'Detection' && (scan === undefined || scan.spacing === null);
  const from: Said['from'] | null = scan ? { scan } : file && { file, isVolume, modality, intensity };
  const drawn = annotations.filter((one) => one.scan === scan?.id);
  const volume = { file: scan?.file ?? file ?? '', name: scan?.name ?? file?.name ?? '', drawn };
  const key = !isVolume ? null : scan ? scan.id : `file ${file?.name} ${file?.size} ${file?.lastModified}`;
  const slices = useSlice(scanClient, key, volume);
  const place = isVolume ? slices.place : { plane: 'axial' as const, slice: 0 };
  const asked = from && place && askedOf({ from, ...place, kind, words, size });
  return (
    <form
      class="question"
      onSubmit={(event) => {
        event.preventDefault();
        if (asked !== null) onAsk(asked);
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
              onChange={(event) => {
                void picked.pick(event.currentTarget.files?.[0] ?? null);
                choose('file');
              }}
            />
          )}
        </Field>
      </div>
      {isMissing && <p class="soft">{own.noPicture}</p>}
      {isVolume && (
        <div class="row">
          <SliceFields {...slices} drawn={drawn} />
          {scan === undefined && (
            <>
              <Modality value={modality} onChange={setModality} />
              <GreyLevels value={intensity} begin={windowOf(CT_WINDOWS['soft tissue'])} onChange={setIntensity} />
            </>
          )}
        </div>
      )}
      {(picked.problem || slices.problem) !== '' && (
        <p class="wrong" role="alert">
          {picked.problem || slices.problem}
        </p>
      )}
      {asked !== null && <Seen scanClient={scanClient} about={asked.about} />}
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
        <button type="submit" disabled={disabled || asked === null || words.trim() === ''}>
          {own.start}
        </button>
      </p>
    </form>
  );
}
