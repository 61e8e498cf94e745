import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nodePlatform as platform } from '../../node/platform.ts';
import { parseCommandLine } from '../../src/options/commandLine.ts';
import { parseFor } from '../../src/options/program.ts';
import { quickstartProgram } from '../../src/options/quickstart.ts';
import type { RecipeName } from '../../src/options/quickstart.ts';
import { quickstartSettings, RECIPES } from '../../src/run/quickstart/recipes.ts';
import { SampleData } from '../../src/run/quickstart/questions.ts';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import { modelFamily, namingOf } from '../../src/models/families.ts';
import { UserError } from '../../src/platform.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const MODEL_TYPES: Readonly<Record<string, string>> = { 'qwen-tiny': 'qwen2_5_vl', 'medgemma-tiny': 'gemma3', 'smolvlm-tiny': 'smolvlm' };

describe('recipes', () => {
  it('lists the recipes there are when asked for another', () => {
    for (const name of ['medgemma', 'toString', '']) {
      expect(() => parseFor(quickstartProgram, { recipe: name })).toThrow(UserError);
      expect(() => parseFor(quickstartProgram, { recipe: name })).toThrow(/qwen-tiny.*medgemma-tiny.*smolvlm-tiny/);
    }
  });

  it('is named on the command line, where it is no file', async () => {
    const { options } = await parseCommandLine(quickstartProgram, ['--recipe', 'smolvlm-tiny'], {}, platform);
    expect(options.recipe).toBe('smolvlm-tiny');
  });

  it('a recipe holds but for what is said, and has a folder of its own', () => {
    const settings = (flags: Record<string, string>): unknown => quickstartSettings(parseFor(quickstartProgram, flags).options, (folder) => `node/${folder}`);
    expect(settings({})).toEqual({ ...RECIPES['qwen-tiny'], base: 'node/base', sample: 'node/sample', out: 'outputs/quickstart' });
    expect(settings({ recipe: 'medgemma-tiny', steps: '3', out: 'mine', submit_ms: '7', quantization: 'nf4' })).toEqual({
      ...RECIPES['medgemma-tiny'], base: 'node/base-medgemma', sample: 'node/sample', out: 'mine', steps: 3, submitMs: 7, quantization: 'nf4',
    });
    expect(settings({ recipe: 'medgemma-tiny' })).toMatchObject({ out: 'outputs/quickstart-medgemma-tiny', steps: 150 });
  });

  it.each(Object.keys(RECIPES) as RecipeName[])('%s has its base in the repository, below 8 MB, that asks about the sample in few tokens', async (name) => {
    const dir = join(root, 'node', RECIPES[name].base);
    expect(statSync(join(dir, 'model.safetensors')).size).toBeLessThan(8e6);
    const folder = await openModelFolder(platform, dir, namingOf);
    expect(folder.naming.modelType).toBe(MODEL_TYPES[name]);
    const { shapes } = modelFamily(folder.naming.modelType, dir).describe(folder.config, dir);
    await folder.close();
    const parameters = [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(parameters).toBeGreaterThan(1e6);
    expect(statSync(join(dir, 'model.safetensors')).size).toBeGreaterThan(2 * parameters);

    const processor = await modelFamily(folder.naming.modelType, dir).processor(platform, dir, {});
    const data = new SampleData(platform, join(root, 'node', 'sample'), processor);
    const [sample] = await data.samples('box', 'test');
    if (!sample) throw new Error('the sample has no boxes');
    const { inputIds, labels } = await data.example(sample, 'learn');
    expect(inputIds.length).toBeLessThan(110);
    const answer = processor.decode([...labels].filter((id) => id >= 0), { skipSpecialTokens: true });
    expect(answer.trim()).toBe(sample.target);
    // Four times "0.123", ", " between them, the end of the turn: a digit is a token, so that numbers are easy to learn. SmolVLM also writes the space before.
    const before = name === 'smolvlm-tiny' ? 1 : 0;
    expect([...labels].filter((id) => id >= 0)).toHaveLength(before + 4 * 5 + 3 * 2 + 1);
  });
});
