/** The form of options and its recipes, without a page: what is written, what is kept of it, and what the command line makes of it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changedOptions, definitions, trainProgram } from '../../src/options.ts';
import { parseCommandLine } from '../../src/options/commandLine.ts';
import type { Definition } from '../../src/options/definition.ts';
import { UserError } from '../../src/platform.ts';
import { BASIC, leftOut } from '../../web/train/leftOut.ts';
import { stepsOf } from '../../web/train/stepsNote.tsx';
import { recipeText } from '../../src/options/recipeYaml.ts';
import { readForm } from '../../web/train/recipe.ts';
import { fieldHelp, shownValue, withWritten, wrongWith } from '../../web/train/values.ts';
import type { Changed } from '../../web/train/values.ts';

const offered = Object.entries<Definition>(definitions).filter(([name]) => leftOut[name] === undefined);

/** What `vernier train --config recipe.yaml` understands. */
async function understood(yaml: string): Promise<Record<string, unknown>> {
  const platform = {
    exists: () => Promise.resolve(true),
    isDirectory: () => Promise.resolve(false),
    readFile: () => Promise.resolve(new TextEncoder().encode(yaml)),
  };
  const { options } = await parseCommandLine(trainProgram, ['--config', 'recipe.yaml'], {}, platform);
  const { config: _, base_model_hf: __, train_file: ___, output_dir: ____, ...others } = changedOptions(options);
  return others;
}
const BESIDE = { base_model_hf: '/base', train_file: '/rows/train.jsonl' };

describe('the form of options', () => {
  it('has every option or says why it has not', () => {
    for (const [name, definition] of offered) {
      expect(definition.group, name).not.toBe('Task lists');
      expect('place' in definition, `${name} is a path`).toBe(false);
    }
    for (const [name, reason] of Object.entries(leftOut)) {
      expect(Object.keys(definitions)).toContain(name);
      expect(reason).toMatch(/^[^A-Z].*\.$/);
    }
    for (const name of BASIC) expect(leftOut[name]).toBeUndefined();
    expect(offered.length).toBeGreaterThan(40);
  });

  it('keeps what was changed alone', () => {
    let changed: Changed = {};
    changed = withWritten(definitions, changed, 'learning_rate', '1e-3');
    changed = withWritten(definitions, changed, 'lora_r', ' 8 ');
    changed = withWritten(definitions, changed, 'target_modules', 'q_proj, v_proj');
    changed = withWritten(definitions, changed, 'use_dora', 'true');
    expect(changed).toEqual({ learning_rate: 1e-3, lora_r: 8, target_modules: ['q_proj', 'v_proj'], use_dora: true });
    changed = withWritten(definitions, changed, 'lora_r', '16');
    changed = withWritten(definitions, changed, 'learning_rate', '');
    changed = withWritten(definitions, changed, 'use_dora', 'false');
    changed = withWritten(definitions, changed, 'target_modules', 'all-linear');
    expect(changed).toEqual({});
  });

  it('says at the field what is wrong, and what may stand there', () => {
    expect(wrongWith(definitions.learning_rate, 'learning_rate', 'fast')).toBe('learning_rate takes a number, at least 0, found "fast".');
    expect(wrongWith(definitions.lora_r, 'lora_r', '0')).toBe(
      'lora_r is out of range: it takes a whole number, from 1 to 4096, found "0".',
    );
    expect(wrongWith(definitions.max_steps, 'max_steps', '-1')).toBeUndefined();
    expect(wrongWith(definitions.lora_r, 'lora_r', '')).toBeUndefined();
    expect(() => withWritten(definitions, {}, 'lora_r', 'x')).toThrow(UserError);
    expect(fieldHelp(definitions.max_steps)).toBe(
      'Number of optimizer steps in place of epoch; -1: by epoch. (-1 or at least 1; default -1)',
    );
    expect(fieldHelp(definitions.max_pixels)).not.toContain('default');
  });

  it('says how many steps the rows make', () => {
    expect(stepsOf(12, {})).toEqual({ perStep: 40, total: 1 });
    expect(stepsOf(12, { epoch: 10, per_device_train_batch_size: 1, gradient_accumulation_steps: 4 })).toEqual({ perStep: 4, total: 30 });
    expect(stepsOf(12, { max_steps: 7 })).toEqual({ perStep: 40, total: 7 });
  });

  it('shows a value as it may be written again', () => {
    for (const [name, definition] of offered) {
      const written = shownValue(definition, undefined);
      expect(withWritten(definitions, {}, name, written), name).toEqual({});
    }
  });
});

/** Any value that a record admits. */
function valueOf(definition: Definition): fc.Arbitrary<unknown> {
  const word = fc.stringMatching(/^[a-z][a-z0-9_]{0,12}$/).filter((text) => text !== 'none' && text !== 'true' && text !== 'false');
  switch (definition.type) {
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({ min: definition.min ?? 0, max: Math.min(definition.max ?? 1e6, 1e6) });
    case 'number': {
      const low = definition.min ?? definition.above ?? 0;
      const high = definition.max ?? definition.below ?? 1e3;
      return fc.double({ min: low, max: high, minExcluded: true, maxExcluded: true, noNaN: true });
    }
    case 'string':
      return word;
    case 'enum':
      return fc.constantFrom(...definition.choices.filter((choice) => !Object.hasOwn(definition.refusedChoices ?? {}, choice)));
    case 'list':
      return fc.uniqueArray(word, { maxLength: 4 });
  }
}

describe('recipes', () => {
  it('come back as they went out, and the command line understands them alike', async () => {
    // What contradicts another option has its own test in test/options.test.ts.
    const contradicting = ['finetune', 'min_pixels', 'max_pixels'];
    const names = offered.map(([name]) => name).filter((name) => !contradicting.includes(name));
    const values = fc.record(Object.fromEntries(names.map((name) => [name, valueOf(definitions[name as keyof typeof definitions])])), {
      requiredKeys: [],
    });
    await fc.assert(
      fc.asyncProperty(values, async (some) => {
        const written = Object.entries(some).map(
          ([name, value]) => [name, shownValue(definitions[name as keyof typeof definitions], value)] as const,
        );
        const changed = written.reduce<Changed>((before, [name, text]) => withWritten(definitions, before, name, text), {});
        const yaml = recipeText({ ...BESIDE, ...changed });
        expect(readForm(definitions, leftOut, yaml, 'recipe.yaml').changed).toEqual(changed);
        expect(await understood(yaml)).toEqual(changed);
      }),
      { numRuns: 60 },
    );
  });

  it('of the command line are opened: aliases are known, what the form has not is told', () => {
    const found = readForm(
      definitions,
      leftOut,
      'num_train_epochs: 3\nlora_r: 16\nbase_model_hf: Qwen/Qwen2.5-VL-3B-Instruct\nreport_to: [wandb]\ntarget_modules: [q_proj]\n',
      'mine.yaml',
    );
    expect(found.changed).toEqual({ epoch: 3, target_modules: ['q_proj'] });
    expect(found.leftOut.map(({ name }) => name)).toEqual(['base_model_hf', 'report_to']);
  });

  it('that cannot be used are refused in words', () => {
    const open = (text: string) => () => readForm(definitions, leftOut, text, 'mine.yaml');
    expect(open('learning_rat: 1')).toThrow('Unknown option learning_rat in mine.yaml. Did you mean learning_rate?');
    expect(open('lora_r: many')).toThrow('lora_r in mine.yaml takes a whole number, from 1 to 4096, found "many".');
    expect(open('- a\n- b')).toThrow('mine.yaml: a recipe is a map of option names to values');
    expect(open('a: [')).toThrow(/^mine\.yaml:1: not valid YAML/);
  });

  it('say so where nothing was changed', async () => {
    expect(await understood(recipeText(BESIDE))).toEqual({});
    expect(readForm(definitions, leftOut, recipeText({}), 'recipe.yaml')).toEqual({ changed: {}, leftOut: [] });
  });
});
