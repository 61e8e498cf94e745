/** CT, MRI, …: those that are common, or another. */
import type { JSX } from 'preact';
import { texts } from '../texts.ts';
import { Field } from './field.tsx';

const MODALITIES = ['CT', 'MRI', 'X-ray', 'ultrasound', 'PET'];

export interface ModalityProps {
  value: string;
  help?: string;
  onChange: (value: string) => void;
}

export function Modality({ value, help, onChange }: ModalityProps): JSX.Element {
  return (
    <Field label={texts.data.modality} help={help}>
      {(ids) => (
        <>
          <input
            {...ids}
            value={value}
            maxLength={60}
            list={`${ids.id}-list`}
            onChange={({ currentTarget }) => onChange(currentTarget.value.trim())}
          />
          <datalist id={`${ids.id}-list`}>
            {MODALITIES.map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}
