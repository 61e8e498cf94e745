/** The records of options as a form: the most important first, all others on request by group. It knows nothing of projects or runs. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { GROUPS } from '../../src/options/definition.ts';
import type { Definition } from '../../src/options/definition.ts';
import type { Definitions } from '../../src/options/program.ts';
import { Field } from '../parts/field.tsx';
import { texts } from '../texts.ts';
import './form.css';
import { OptionField } from './optionField.tsx';
import { shownValue, withWritten, wrongWith } from './values.ts';
import type { Changed } from './values.ts';

export interface OptionFormProps {
  definitions: Definitions;
  /** Names of the options that come first. */
  basic: readonly string[];
  /** Names of options that the form has not, and why. */
  leftOut: Readonly<Record<string, string>>;
  value: Changed;
  /** @param wrong the names of options whose fields hold what they cannot have; their values are those of before */
  onChange: (value: Changed, wrong: readonly string[]) => void;
  disabled?: boolean | undefined;
}

export function OptionForm({ definitions, basic, leftOut, value, onChange, disabled }: OptionFormProps): JSX.Element {
  // What is being written, which need not be a value yet.
  const [drafts, setDrafts] = useState<Readonly<Record<string, string>>>({});
  const [word, setWord] = useState('');

  const write = (name: string, written: string): void => {
    const next = { ...drafts, [name]: written };
    const wrong = Object.entries(next).flatMap(([one, text]) => (wrongWith(definitions[one]!, one, text) === undefined ? [] : [one]));
    setDrafts(next);
    onChange(wrong.includes(name) ? value : withWritten(definitions, value, name, written), wrong);
  };
  // A draft stands for as long as it says what the value is, or is wrong: a recipe that is opened takes the place of all others.
  const draftOf = (name: string, definition: Definition): string | undefined => {
    const draft = drafts[name];
    if (draft === undefined) return undefined;
    if (wrongWith(definition, name, draft) !== undefined) return draft;
    return JSON.stringify(withWritten(definitions, value, name, draft)) === JSON.stringify(withoutOrder(value, name)) ? draft : undefined;
  };
  const field = (name: string): JSX.Element => {
    const definition = definitions[name]!;
    const isChoice = definition.type === 'boolean' || definition.type === 'enum';
    const draft = draftOf(name, definition);
    return (
      <OptionField
        key={name}
        name={name}
        definition={definition}
        written={draft === undefined || (isChoice && draft === '') ? shownValue(definition, value[name]) : draft}
        isChanged={Object.hasOwn(value, name) || (draft !== undefined && wrongWith(definition, name, draft) !== undefined)}
        disabled={disabled}
        onWrite={(written) => write(name, written)}
      />
    );
  };

  const offered = Object.entries(definitions).filter(([name]) => leftOut[name] === undefined);
  const found = offered.filter(([name, { help, aliases = [] }]) =>
    [name, texts.form.label(name), help, ...aliases].some((text) => text.toLowerCase().includes(word.trim().toLowerCase())),
  );
  const groups = GROUPS.flatMap((group) => {
    const names = found.flatMap(([name, definition]) => (definition.group === group && !isShownFirst(name) ? [name] : []));
    return names.length > 0 ? [{ group, names }] : [];
  });
  function isShownFirst(name: string): boolean {
    return word.trim() === '' && basic.includes(name);
  }
  return (
    <div class="options">
      <fieldset class="group">
        <legend>{texts.form.basic}</legend>
        {basic.map(field)}
      </fieldset>
      <details>
        <summary>
          {texts.form.all} <span class="soft">({texts.form.changed(Object.keys(value).length)})</span>
        </summary>
        <Field label={texts.form.search} help={texts.form.searchHelp}>
          {(ids) => <input {...ids} type="search" value={word} onInput={(event) => setWord(event.currentTarget.value)} />}
        </Field>
        {groups.length === 0 && <p role="status">{texts.form.nothingFound(word)}</p>}
        {groups.map(({ group, names }) => (
          <fieldset key={group} class="group">
            <legend>{group}</legend>
            {names.map(field)}
          </fieldset>
        ))}
        <details>
          <summary>{texts.form.notHere}</summary>
          <ul class="soft">
            {Object.entries(leftOut).map(([name, reason]) => (
              <li key={name}>
                <code>{name}</code>: {reason}
              </li>
            ))}
          </ul>
        </details>
      </details>
    </div>
  );
}

/** `value` as `withWritten` would leave it, which puts the option last. */
function withoutOrder(value: Changed, name: string): Changed {
  if (!Object.hasOwn(value, name)) return value;
  const { [name]: own, ...others } = value;
  return { ...others, [name]: own };
}
