/** What kept and sent logs are told: names in place of paths, and no pictures unless asked for. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { definitions } from '../../src/options.ts';
import type { Definition } from '../../src/options/definition.ts';
import { lastName, withoutHome } from '../../src/platform.ts';
import { nodePlatform } from '../../node/platform.ts';
import { outgoingOptions } from '../../src/run/outgoing.ts';
import { withoutFolders, withoutFoldersIn } from '../../src/track/localPaths.ts';
import { outgoing } from '../../src/track/outgoing.ts';
import { allOf } from '../../src/track/tracker.ts';
import type { RunInfo, Tracker } from '../../src/track/tracker.ts';

const RUN: RunInfo = { name: 'r', totalSteps: 2, firstStep: 0, facts: {}, config: {} };

describe('paths in a text', () => {
  it.each([
    ['/home/jane/data/scan.png is damaged', 'scan.png is damaged'],
    ['Resumed from /home/jane/runs/first/checkpoint-2, after', 'Resumed from checkpoint-2, after'],
    ['~/data/rows.jsonl:3: no', 'rows.jsonl:3: no'],
    ['C:\\Users\\jane\\rows.jsonl:3', 'rows.jsonl:3'],
    ['in /home/jane.', 'in ~'],
    ['"/Users/jane" is', '"~" is'],
    ['ward/Doe Jane/1970 CT/a b.png: bad', 'a b.png: bad'],
    ['see ward/x.png and ward/Roe Richard/y.png', 'see x.png and y.png'],
    ['in ward, say', 'in …, say'],
    ['../study/Roe/a.nii.gz', 'a.nii.gz'],
    ['/mnt/other ward/ROE, RICHARD/x y.png is 16-bit grey', 'x y.png is 16-bit grey'],
    ['No picture (k): /mnt/pacs/ROE RICHARD/ct.nii.gz: it is cut off', 'No picture (k): ct.nii.gz: it is cut off'],
    ["EACCES: permission denied, open '/mnt/ROE RICHARD/x.png'", "EACCES: permission denied, open 'x.png'"],
    ['/mnt/ROE RICHARD/x.png and /mnt/DOE JANE/y.png differ', 'x.png and y.png differ'],
    ['D:\\pacs\\ROE RICHARD\\x.dcm, slice 3', 'x.dcm, slice 3'],
    ['Saved to /mnt/pacs/out in 3 s, 2 rows/s', 'Saved to out in 3 s, 2 rows/s'],
  ])('%s', (text, expected) => {
    expect(withoutFolders(text, ['ward', '../study'])).toBe(expected);
  });

  it.each(['https://wandb.ai/team/p/runs/x', 'train/loss 2/3', 'org/model at main', 'steps/s', 'forward/backward', '12 of 24 rows', 'a "/" b', 'hub: org/name@v1', 'wards/x'])('%s stays', (text) => {
    expect(withoutFolders(text, ['ward', '.', '', '..'])).toBe(text);
  });

  it('below a folder of the user leave nothing of its folders', () => {
    const part = fc.string({ unit: fc.constantFrom(...'abcDEF019 ._-'), minLength: 1, maxLength: 8 }).map((text) => `q${text.trim().replace(/\.\w*$/, '')}w`);
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), fc.array(part, { maxLength: 3 }), fc.boolean(), (root, below, isAbsolute) => {
        const folder = (isAbsolute ? '/' : '') + root.map((name) => `${name}1`).join('/');
        const secret = below.map((name) => `${name}2`);
        const text = `Row 3 of ${[folder, ...secret, 'scan.png'].join('/')}: it is damaged.`;
        expect(withoutFolders(text, [folder])).toBe('Row 3 of scan.png: it is damaged.');
      }),
    );
  });
});

describe('an outgoing tracker', () => {
  const recorder = (): Tracker & { told: unknown[] } => {
    const told: unknown[] = [];
    const tell = (...what: unknown[]): Promise<void> => Promise.resolve(void told.push(what));
    return {
      told, start: (run) => tell('start', run), progress: () => undefined, log: (row, step) => tell('log', row, step), event: (level, text) => tell('event', level, text),
      finish: (summary) => tell('finish', summary), picture: (key, picture) => void told.push(['picture', key, picture.caption]), state: () => ({ own: 1 }),
    };
  };

  it('tells names', async () => {
    const inner = recorder();
    const tracker = outgoing(inner, { folders: ['ward'], pictures: true, config: { train_file: 'rows.jsonl' } });
    await tracker.start({ ...RUN, facts: { model: '/home/jane/models/q' }, config: { train_file: 'ward/rows.jsonl' } });
    await tracker.log({ loss: 1, best: 'ward/checkpoint-1' }, 1);
    await tracker.event('warning', 'No picture: ward/Doe/x.png');
    tracker.picture?.('k', { png: new Uint8Array(1), width: 1, height: 1, caption: 'box in ward/Doe/x.png' }, 1);
    await tracker.finish({ outcome: 'finished', figures: {}, files: ['/home/jane/out', 'ward/out/checkpoint-2'] });
    expect(tracker.state?.()).toEqual({ own: 1 });
    expect(inner.told).toEqual([
      ['start', { ...RUN, facts: { model: 'q' }, config: { train_file: 'rows.jsonl' } }], ['log', { loss: 1, best: 'checkpoint-1' }, 1], ['event', 'warning', 'No picture: x.png'],
      ['picture', 'k', 'box in x.png'], ['finish', { outcome: 'finished', figures: {}, files: ['out', 'checkpoint-2'] }],
    ]);
  });

  it('takes no pictures unless they were asked for, so that none is drawn', () => {
    expect(outgoing(recorder(), { folders: [], pictures: false }).picture).toBeUndefined();
    expect(allOf([outgoing(recorder(), { folders: [], pictures: false })]).picture).toBeUndefined();
  });
});

it('every option that names a file or folder says so', () => {
  const named = Object.entries<Definition>(definitions).filter(([, { type, help }]) => type === 'string' && /\b(folder|file|task list)\b/i.test(help));
  // Names of runs and repositories, whose help speaks of folders.
  const others = ['run_name', 'lora_hub_repo', 'merged_model_hf'];
  for (const [name, definition] of named) expect([name, others.includes(name) || ('place' in definition && definition.place !== undefined)]).toEqual([name, true]);
  expect(named.length).toBeGreaterThan(10);
});

it('names of folders', () => {
  expect(['/a/b/', 'b', 'C:\\x\\b', '/'].map(lastName)).toEqual(['b', 'b', 'b', '/']);
  expect(['/home/jane/m/q', '/Users/jane/q/', '/root/q', 'C:\\Users\\jane\\q', '../home/jane/q', '/srv/jane/q'].map((path) => withoutHome(path, '/srv/jane'))).toEqual(['q', 'q', 'q', 'q', 'q', 'q']);
  expect(['models/q', '/data/models/q', '../q', '/srv/janes/q', '/homes/q'].map((path) => withoutHome(path, '/srv/jane'))).toEqual(['models/q', '/data/models/q', '../q', '/srv/janes/q', '/homes/q']);
});

it('a run that is called as its folder keeps its name', async () => {
  const is = (): Promise<boolean> => Promise.resolve(true);
  const platform = { ...nodePlatform, isDirectory: is, exists: is, env: () => undefined };
  const options = { run_name: 'first', output_dir: 'first', data_dir: 'ward' };
  const { config, folders } = await outgoingOptions(platform, options, definitions);
  expect(withoutFoldersIn(config, folders)).toEqual({ run_name: 'first', output_dir: 'first', data_dir: '…' });
});
