/** `node dist/inspect.js`: a page that stands alone and shows what is learnt, for each of the three kinds of data. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { histogram } from '../../src/run/inspect/drawing.ts';
import { tokenView } from '../../src/run/inspect/tokens.ts';
import { nodePlatform } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import { Tokenizer } from '../../src/data/tokenizer.ts';
import { buildCommandLine, goldenRows, repository, runTrain, tinyModel } from './trainProcess.ts';

const sampleDir = join(repository, 'node/sample');
const lists = readdirSync(join(sampleDir, 'tasks_list'));
let root = '';
beforeAll(() => {
  buildCommandLine();
  root = mkdtempSync(join(tmpdir(), 'vernier-inspect-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function inspect(...argv: string[]): { status: number | null; stdout: string; stderr: string; page: string } {
  const out = join(root, `page ${Math.random()}.html`);
  const ended = spawnSync(process.execPath, [join(repository, 'dist/inspect.js'), ...argv, '--out', out], { encoding: 'utf8', cwd: root });
  return { ...ended, page: existsSync(out) ? readFileSync(out, 'utf8') : '' };
}

const plain = (html: string): string =>
  html.replaceAll(/<[^>]*>/g, '').replaceAll('⏎', '').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&');
const cards = (page: string): string[] => page.split('<article').slice(1).map((part) => part.split('</article>')[0] ?? '');
const learnt = (card: string): string => plain([...card.matchAll(/<b[^>]*>(.*?)<\/b>/gs)].map((match) => match[1] ?? '').join(''));

describe('the page', () => {
  it('of task lists shows every task with its picture, drawing, target and what is learnt', () => {
    const { status, stderr, stdout, page } = inspect(sampleDir, '--split', 'slice', '--val_sample_limit', '10', '--samples', '30');
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/\d+ rows of \d+ tasks shown/);
    expect(page).not.toMatch(/(?:src|href)="(?!#|data:)|https?:\/\/|@import|url\(/);
    expect(page).toContain('prefers-color-scheme: dark');
    const shown = cards(page);
    expect(shown.length).toBeGreaterThanOrEqual(10);
    for (const card of shown) {
      const target = plain(/class="answer">(.*?)<\/div>/s.exec(card)?.[1] ?? '');
      expect(target).toMatch(/\d/);
      // The answer and its end of turn are learnt, and nothing else.
      expect(learnt(card)).toBe(`${target}<|im_end|>`);
      expect(card).toContain('data:image/png;base64,');
      if (card.includes('BoxSize')) expect(card).toMatch(/<rect x="/);
      if (card.includes('BiometricsFromLandmarks') || card.includes('TumorLesionSize')) expect(card).toMatch(/<line x1="[\d.]+"/);
    }
    for (const kind of ['BoxSize', 'TumorLesionSize', '(distances)', '(angles)']) expect(page).toContain(kind);
    expect(page).toContain('class="histogram"');
  });

  it('colours everything but images with --mask reference', () => {
    const { page } = inspect(sampleDir, '--mask', 'reference', '--samples', '4', '--tasks_list_json_path_TL', join(sampleDir, 'tasks_list', lists.find((name) => /TL.*SFT/.test(name)) ?? ''), '--val_sample_limit', '0');
    const [card = ''] = cards(page);
    expect(learnt(card)).toContain('You are a helpful assistant.');
    expect(card).toMatch(/<u>image × \d+<\/u>/);
  });

  it('of a prepared folder needs neither volumes nor the model it was made for', async () => {
    const dir = join(root, 'prepared');
    const list = join(sampleDir, 'tasks_list', lists.find((name) => /detect.*SFT/i.test(name)) ?? '');
    await runTrain({ base_model_hf: tinyModel, data_dir: sampleDir, tasks_list_json_path_detect: list, prompt_style: 'reference', process_dataset_only: true, process_img: true, prepared_ds_dir: dir });
    const { status, stderr, page } = inspect(dir, '--samples', '6');
    expect(status, stderr).toBe(0);
    expect(page).toContain('<dt>Prompts</dt><dd>reference</dd>');
    expect(page).toContain('Pixels are drawn square');
    expect(cards(page).length).toBeGreaterThanOrEqual(6);
  });

  it('of conversations shows their pictures and turns, with markup in texts as text', () => {
    const file = join(root, 'rows.jsonl');
    const evil = JSON.stringify({ id: '<script>alert(1)</script>', messages: [{ role: 'user', content: 'a < b & "c"' }, { role: 'assistant', content: '<b>é漢🙂</b>' }] });
    writeFileSync(file, `${goldenRows('s00_single', 's10_twoimages').join('\n')}\n${evil}\n`);
    const { status, stderr, page } = inspect(file, '--base_model_hf', tinyModel);
    expect(status, stderr).toBe(0);
    expect(page).not.toContain('<script');
    const [one = '', two = '', three = ''] = cards(page);
    expect(one.match(/data:image/g)).toHaveLength(1);
    expect(two.match(/data:image/g)).toHaveLength(2);
    expect(learnt(three)).toBe('<b>é漢🙂</b><|im_end|>');
  });

  it('of a volume as slices shows all pictures on one sheet, and says how many there are', () => {
    const file = join(root, 'slices.jsonl');
    writeFileSync(join(root, 'slice.png'), readFileSync(join(repository, 'test/golden/images/grey16.png')));
    const slices = Array.from({ length: 12 }, (_, i) => [{ type: 'image' }, { type: 'text', text: `SLICE ${i + 1}` }]).flat();
    const messages = [{ role: 'user', content: slices }, { role: 'assistant', content: 'x' }];
    writeFileSync(file, `${JSON.stringify({ messages, images: new Array<string>(12).fill('slice.png') })}\n`);
    const { status, stderr, page } = inspect(file, '--base_model_hf', tinyModel);
    expect(status, stderr).toBe(0);
    const [card = ''] = cards(page);
    expect(card.match(/data:image/g)).toHaveLength(1);
    expect(card).toContain('<span>12 pictures</span>');
    expect(card).toContain('SLICE 12');
  });

  it('warns of deep greys that are cut off, on the terminal and on the page', () => {
    const file = join(root, 'deep.jsonl');
    const messages = [{ role: 'user', content: [{ type: 'image' }] }, { role: 'assistant', content: 'x' }];
    const rows = ['one', 'two'].map((name) => {
      writeFileSync(join(root, `${name}.png`), readFileSync(join(repository, 'test/golden/images/grey16.png')));
      return JSON.stringify({ messages, images: [`${name}.png`] });
    });
    writeFileSync(file, `${rows.join('\n')}\n`);
    const { stdout, page } = inspect(file, '--base_model_hf', tinyModel);
    expect(stdout.match(/Warning: .*(one|two)\.png is 16-bit grey: 18 % of its pixels/g)).toHaveLength(1);
    expect(stdout).toContain('Warning: 2 pictures in all had greys of more than 8 bits cut off at 255');
    expect(page).toContain('is 16-bit grey: 18 % of its pixels');
    for (const way of ['scale', 'window']) expect(inspect(file, '--base_model_hf', tinyModel, '--sixteen_bit', way).stdout).not.toContain('Warning');
  });

  it('draws the box of a conversation that answers with four numbers, and shows the forms of its rows', async () => {
    const file = join(root, 'boxes.jsonl');
    writeFileSync(join(root, 'box.png'), await nodePlatform.encodePng(new Uint8Array(3 * 100 * 50), 100, 50, 3));
    const answers = ['[0.1, 0.2, 0.5, 0.6]', '{"bbox_2d": [10, 5, 60, 45]}', '1, 2, 3, 4, 5', '12.5 mm', '0.9, 0.9, 0.1, 0.1'];
    const rows = answers.map((value, i) => ({ id: `r${i}`, conversations: [{ from: 'human', value: '<image>Where?' }, { from: 'gpt', value }], image: 'box.png' }));
    const one = { id: 'swift', query: 'Where?', response: '0, 0, 1, 1', images: ['box.png'] };
    writeFileSync(file, JSON.stringify([...rows, one]));
    const { status, stderr, page } = inspect(file);
    expect(status, stderr).toBe(0);
    expect(page).toContain('<dt>Written as</dt><dd>conversations (ShareGPT, LLaVA), pictures at &lt;image&gt;: 5; query and response (ms-swift), pictures before the first question: 1</dd>');
    const of = (id: string): string => cards(page).find((card) => card.includes(`<h3>${id}</h3>`)) ?? '';
    expect(of('r0')).toContain('<rect x="10.00" y="20.00" width="40.00" height="20.00"/>');
    expect(of('r0')).toContain('relative, from the lower left');
    expect(of('r1')).toContain('<rect x="10.00" y="5.00" width="50.00" height="40.00"/>');
    expect(of('r1')).toContain('pixels, from the upper left');
    expect(of('swift')).toContain('<rect x="0.00" y="0.00" width="100.00" height="50.00"/>');
    for (const id of ['r2', 'r3', 'r4']) expect(of(id)).not.toContain('<rect');
  });

  it('says what is wrong in words', () => {
    expect(inspect('--help').stdout).toContain('node dist/inspect.js DATA');
    expect(inspect('nothing here').stderr).toMatch(/^Error: nothing here: there is no such file/);
    expect(inspect(root).stderr).toContain('a data folder (with Datasets/)');
    expect(inspect(sampleDir, '--prompt_stile', 'reference').stderr).toContain('Did you mean');
    expect(inspect(sampleDir, '--samples', '0').stderr).toContain('from 1 to 2000');
    expect(inspect(sampleDir, '--process_img', 'true').stderr).toContain('writes nothing but its page');
    for (const bad of [inspect('nothing here'), inspect(sampleDir, '--samples', 'x')]) expect(bad.status).toBe(2);
  });
});

describe('token by token', () => {
  it('joins the tokens of one character, and counts images as one piece', async () => {
    const tokenizer = await Tokenizer.load(nodePlatform, tinyModel);
    const text = 'a漢🙂z';
    const ids = tokenizer.encode(text, { addSpecialTokens: false });
    const image = 7;
    const example: Example = {
      inputIds: Int32Array.from([image, image, image, ...ids]),
      labels: Int32Array.from([-100, -100, -100, ...ids.map((id, i) => (i < ids.length - 1 ? id : -100))]),
      positionIds: new Int32Array(0),
      pixelValues: new Float32Array(0),
      imageGrids: [[1, 2, 6]],
    };
    const { pieces, counts } = tokenView(example, tokenizer);
    expect(pieces[0]).toEqual({ text: 'image × 3', tokens: 3, isLearnt: false, isImage: true });
    expect(pieces.slice(1).map((piece) => piece.text).join('')).toBe(text);
    expect(pieces.slice(1).reduce((sum, { tokens }) => sum + tokens, 0)).toBe(ids.length);
    expect(pieces.at(-1)?.isLearnt).toBe(false);
    expect(counts).toEqual({ total: 3 + ids.length, image: 3, learnt: ids.length - 1 });
  });
});

describe('histograms', () => {
  const counts = (svg: string): number[] => [...svg.matchAll(/: (\d+) rows?<\/title>/g)].map((match) => Number(match[1]));

  it('count every value once', () => {
    for (const values of [[1], [3, 3, 3], [1, 2, 3, 9], [0.1, 0.2, 5], [0, 100, 250]]) {
      expect(counts(histogram(values, 'mm')).reduce((sum, count) => sum + count, 0)).toBe(values.length);
    }
    expect(histogram([], 'mm')).not.toContain('svg');
    expect(counts(histogram([NaN, 1, Infinity], 'mm'))).toEqual([1]);
  });
});

describe('the place of the page', () => {
  const run = (...words: string[]): { status: number | null; stderr: string } =>
    spawnSync(process.execPath, [join(repository, 'dist/inspect.js'), sampleDir, '--samples', '1', ...words], { encoding: 'utf8', cwd: root });

  it('is --output_dir, as in the other programs, or --out by its name; another spelling gets a hint', () => {
    const folder = join(root, 'pages');
    expect(run('--output_dir', folder)).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(join(folder, 'inspect.html'), 'utf8')).toContain('</html>');
    for (const word of ['--output', '--outdir', '--output_folder']) expect(run(word, folder).stderr).toMatch(/Did you mean --output_dir\?/);
    expect(run('--output_dir', folder, '--out', join(root, 'x.html')).stderr).toContain('--out names the page, --output_dir its folder; give one of them.');
  });
});
