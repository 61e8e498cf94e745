/** A recipe out of the form and into it. */
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import type { Definitions } from '../../src/options/program.ts';
import { recipeText } from '../../src/options/recipeYaml.ts';
import { texts } from '../texts.ts';
import { readForm } from './recipe.ts';
import type { ReadRecipe } from './recipe.ts';
import type { Changed } from './values.ts';

export interface RecipeBoxProps {
  definitions: Definitions;
  leftOut: Readonly<Record<string, string>>;
  value: Changed;
  /** What a recipe says beside the form's options: the base, the rows. */
  beside?: Changed | undefined;
  /** Name of the file that is saved, without its ending. */
  name: string;
  onOpen: (found: ReadRecipe, name: string) => void;
  failed: (error: unknown) => void;
  disabled?: boolean | undefined;
}

export function RecipeBox({ definitions, leftOut, value, beside, name, onOpen, failed, disabled }: RecipeBoxProps): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const text = recipeText({ ...beside, ...value });
  const open = async (file: File | undefined): Promise<void> => {
    if (file !== undefined) onOpen(readForm(definitions, leftOut, await file.text(), file.name), file.name);
  };
  return (
    <section class="recipe" aria-label={texts.form.recipe}>
      <h3>{texts.form.recipe}</h3>
      <p class="help">{texts.form.recipeHelp}</p>
      <div class="row">
        <a class="button" download={`${name}.yaml`} href={`data:text/yaml;charset=utf-8,${encodeURIComponent(text)}`}>
          {texts.form.save}
        </a>
        <button type="button" class="plain" disabled={disabled} onClick={() => input.current?.click()}>
          {texts.form.open}
        </button>
        <input
          ref={input}
          type="file"
          accept=".yaml,.yml"
          hidden
          aria-label={texts.form.open}
          onChange={(event) => {
            const { currentTarget } = event;
            void open(currentTarget.files?.[0])
              .catch(failed)
              .finally(() => (currentTarget.value = ''));
          }}
        />
      </div>
      <details>
        <summary>{texts.form.show}</summary>
        <pre class="yaml">{text}</pre>
      </details>
    </section>
  );
}
