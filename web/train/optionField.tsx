/** One option as a control: what the record's type needs. */
import type { JSX } from 'preact';
import type { Definition } from '../../src/options/definition.ts';
import { Field } from '../parts/field.tsx';
import { texts } from '../texts.ts';
import { fieldHelp, wrongWith } from './values.ts';

export interface OptionFieldProps {
  name: string;
  definition: Definition;
  /** As it stands in the field. */
  written: string;
  isChanged: boolean;
  disabled?: boolean | undefined;
  onWrite: (written: string) => void;
}

export function OptionField({ name, definition, written, isChanged, disabled, onWrite }: OptionFieldProps): JSX.Element {
  const label = texts.form.label(name);
  const choices = choicesOf(definition);
  return (
    <div class={isChanged ? 'option changed' : 'option'}>
      <Field label={label === name ? name : `${label} (${name})`} help={fieldHelp(definition)} error={wrongWith(definition, name, written)}>
        {(ids) =>
          choices !== undefined ? (
            <select {...ids} name={name} value={written} disabled={disabled} onChange={(event) => onWrite(event.currentTarget.value)}>
              {choices.map(({ value, words, isRefused }) => (
                <option key={value} value={value} disabled={isRefused} selected={value === written}>
                  {words}
                </option>
              ))}
            </select>
          ) : (
            <input
              {...ids}
              name={name}
              type="text"
              inputMode={definition.type === 'integer' ? 'numeric' : definition.type === 'number' ? 'decimal' : 'text'}
              autocomplete="off"
              spellcheck={false}
              placeholder={texts.form.unset}
              value={written}
              disabled={disabled}
              onInput={(event) => onWrite(event.currentTarget.value)}
            />
          )
        }
      </Field>
      {isChanged && (
        <button type="button" class="plain reset" aria-label={texts.form.reset(name)} disabled={disabled} onClick={() => onWrite('')}>
          {texts.form.resetShort}
        </button>
      )}
    </div>
  );
}

interface Choice {
  value: string;
  words: string;
  isRefused: boolean;
}

function choicesOf(definition: Definition): Choice[] | undefined {
  if (definition.type !== 'boolean' && definition.type !== 'enum') return undefined;
  const unset = definition.default === null ? [{ value: '', words: texts.form.unset, isRefused: false }] : [];
  if (definition.type === 'boolean') {
    const both = [
      { value: 'true', words: texts.form.yes, isRefused: false },
      { value: 'false', words: texts.form.no, isRefused: false },
    ];
    return [...unset, ...both];
  }
  const { choices, refusedChoices = {} } = definition;
  return [...unset, ...choices.map((value) => ({ value, words: value, isRefused: Object.hasOwn(refusedChoices, value) }))];
}
