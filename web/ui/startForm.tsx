/** A new run: the options of training as a form, which the server starts as `vernier train` on this machine. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { definitions } from '../../src/options.ts';
import { SETTLED } from '../../src/run/ui/settled.ts';
import { Field } from '../parts/field.tsx';
import { texts } from '../texts.ts';
import { OptionForm } from '../train/form.tsx';
import { BASIC } from '../train/leftOut.ts';
import { RecipeBox } from '../train/recipeBox.tsx';
import type { Changed } from '../train/values.ts';
import { client } from './client.ts';
import { runHash } from './place.ts';
import type { Told } from './told.ts';

const ABOVE = ['base_model_hf', 'train_file', 'val_file'] as const;
type Above = (typeof ABOVE)[number];

const named = (names: readonly string[], reason: string): Record<string, string> => Object.fromEntries(names.map((name) => [name, reason]));
/** Of a recipe what the form has nowhere. */
const settledOnly = named(SETTLED, texts.ui.form.settled);
const leftOut = { ...settledOnly, ...named(ABOVE, texts.ui.form.above) };

export function StartView({ told }: { told: Told }): JSX.Element {
  const { form: words } = texts.ui;
  const [name, setName] = useState('');
  const [above, setAbove] = useState<Readonly<Record<Above, string>>>({ base_model_hf: '', train_file: '', val_file: '' });
  const [value, setValue] = useState<Changed>({});
  const [wrong, setWrong] = useState<readonly string[]>([]);
  const [isBusy, setBusy] = useState(false);
  const given = Object.fromEntries(ABOVE.flatMap((one) => (above[one].trim() === '' ? [] : [[one, above[one].trim()]])));
  const start = async (): Promise<void> => {
    setBusy(true);
    try {
      const { id, notes } = await client.start(name.trim(), { ...value, ...given });
      location.hash = runHash(id);
      // Behind the change of views, which takes earlier messages away.
      if (notes.length > 0) setTimeout(() => told.say(words.noted(notes.join(' '))), 100);
    } catch (error) {
      told.failed(error);
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    if (wrong.length > 0) told.failed(new Error(words.wrong(wrong.join(', '))));
    else void start();
  };
  const open = (changed: Changed, passedOver: readonly string[]): void => {
    const { base_model_hf: base, train_file: train, val_file: val, ...others } = changed;
    const text = (one: unknown): string => (typeof one === 'string' ? one : '');
    setAbove({ base_model_hf: text(base), train_file: text(train), val_file: text(val) });
    setValue(others);
    if (passedOver.length > 0) told.say(words.leftOutOfRecipe(passedOver.join(', ')));
  };
  const field = (one: Above, label: string, help: string, isNeeded: boolean): JSX.Element => (
    <Field label={label} help={help}>
      {(ids) => (
        <input
          {...ids}
          required={isNeeded}
          value={above[one]}
          disabled={isBusy}
          onInput={(event) => setAbove({ ...above, [one]: event.currentTarget.value })}
        />
      )}
    </Field>
  );
  return (
    <>
      <h2>{texts.ui.newRun}</h2>
      <form onSubmit={submit}>
        <Field label={words.name} help={words.nameHelp}>
          {(ids) => <input {...ids} required value={name} disabled={isBusy} onInput={(event) => setName(event.currentTarget.value)} />}
        </Field>
        {field('base_model_hf', words.base, words.baseHelp, true)}
        {field('train_file', words.train, words.trainHelp, false)}
        {field('val_file', words.val, words.valHelp, false)}
        <OptionForm
          definitions={definitions}
          basic={BASIC}
          leftOut={leftOut}
          value={value}
          disabled={isBusy}
          onChange={(next, bad) => {
            setValue(next);
            setWrong(bad);
          }}
        />
        <p class="row">
          <button type="submit" disabled={isBusy}>
            {words.start}
          </button>
        </p>
      </form>
      <RecipeBox
        definitions={definitions}
        leftOut={settledOnly}
        value={value}
        beside={given}
        name={name.trim() === '' ? 'recipe' : name.trim()}
        failed={told.failed}
        disabled={isBusy}
        onOpen={({ changed, leftOut: passedOver }) =>
          open(
            changed,
            passedOver.map((one) => one.name),
          )
        }
      />
    </>
  );
}
