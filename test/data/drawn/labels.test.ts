/** Labels go out and come back unchanged; a file that is wrong, or hostile, is refused by the place of what is wrong in it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LANDMARKS, POINTS, SHAPES } from '../../../src/data/drawn/annotation.ts';
import { PLANES } from '../../../src/data/planes.ts';
import type { DrawnAnnotation } from '../../../src/data/drawn/annotation.ts';
import { labelsText, matchLabels, newlySaid, readLabels } from '../../../src/data/drawn/labels.ts';
import type { LabelledScan, Labels } from '../../../src/data/drawn/labels.ts';
import { patientOf, suggestSides } from '../../../src/data/drawn/sides.ts';
import { UserError } from '../../../src/platform.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const scan: LabelledScan = {
  id: 's1',
  name: 'knee.nii.gz',
  kind: 'volume',
  modality: 'CT',
  description: 'a knee',
  spacing: [1, 1, 2],
  intensity: { low: -500, high: 1300 },
};
const picture: LabelledScan = {
  id: 's2',
  name: '<img src=x onerror=alert(1)>.png',
  kind: 'picture',
  modality: '',
  description: '',
  spacing: null,
};
const box: DrawnAnnotation = {
  id: 'a1',
  scan: 's1',
  plane: 'axial',
  slice: 3,
  shape: 'box',
  label: '<script>"patella"</script>',
  landmarks: [],
  points: [
    [1, 2],
    [11, 22],
  ],
};
const labels: Labels = { scans: [scan, picture], annotations: [box, { ...box, id: 'a2', scan: 's2', plane: null, slice: 0 }] };

it('come back as they went', () => {
  expect(readLabels(bytes(labelsText(labels)), 'l.json')).toEqual(labels);
});

it('whatever is drawn', () => {
  const name = fc.string({ minLength: 1, maxLength: 40 }).filter((text) => text.trim() !== '' && !/\p{Cc}/u.test(text));
  const drawn = fc
    .record({
      shape: fc.constantFrom(...SHAPES),
      plane: fc.constantFrom(...PLANES),
      slice: fc.nat(500),
      label: name,
      landmark: name,
      at: fc.nat(400),
    })
    .map(({ shape, plane, slice, label, landmark, at }): Omit<DrawnAnnotation, 'id'> => ({
      scan: 's1',
      plane,
      slice,
      shape,
      label,
      landmarks: Array.from({ length: LANDMARKS[shape] }, () => landmark),
      points: Array.from({ length: POINTS[shape] }, (_, i) => [at + i, at + 2 * i]),
    }));
  fc.assert(
    fc.property(fc.array(drawn, { maxLength: 6 }), (all) => {
      const given: Labels = { scans: [scan], annotations: all.map((one, i) => ({ ...one, id: `a${i}` })) };
      expect(readLabels(bytes(labelsText(given)), 'l.json')).toEqual(given);
    }),
    { numRuns: 100 },
  );
});

/** As a person might change it. */
interface LabelFile {
  format: unknown;
  version: unknown;
  extra?: unknown;
  scans: Record<string, unknown>[];
  annotations: (Record<string, unknown> & { points: unknown[] })[];
}

describe('refused', () => {
  const changed = (change: (file: LabelFile) => void): Uint8Array => {
    const file = JSON.parse(labelsText(labels)) as LabelFile;
    change(file);
    return bytes(JSON.stringify(file));
  };
  it.each<[string, (file: LabelFile) => void, RegExp]>([
    ['another format', (f) => (f.format = 'coco'), /^l\.json: "format" is not "vernier-labels"/],
    ['a newer version', (f) => (f.version = 2), /version 1 expected, 2 found/],
    ['another key', (f) => (f.extra = 1), /l\.json: "extra" is not known here/],
    ['a key of an annotation', (f) => (f.annotations[1]!['color'] = 'red'), /annotations\[1\]: "color" is not known here/],
    ['an unknown scan', (f) => (f.annotations[0]!['scan'] = 's9'), /annotations\[0\]\.scan: "s9" is none of the file's scans/],
    ['a plane of a picture', (f) => (f.annotations[1]!['plane'] = 'axial'), /annotations\[1\]\.plane: null/],
    ['no plane of a volume', (f) => (f.annotations[0]!['plane'] = null), /annotations\[0\]\.plane: the plane of a volume/],
    ['a shape', (f) => (f.annotations[0]!['shape'] = 'blob'), /annotations\[0\]\.shape: box, distance, angle, ellipse/],
    ['points as texts', (f) => (f.annotations[0]!.points[0] = ['1', 2]), /points\[0\]\[0\]: a number expected, "1" found/],
    ['three coordinates', (f) => (f.annotations[0]!.points[0] = [1, 2, 3]), /points\[0\]: \[row, column\] expected, 3 numbers found/],
    ['a slice', (f) => (f.annotations[0]!['slice'] = -1), /slice: a whole number from 0 expected, -1 found/],
    ['no name', (f) => (f.annotations[0]!['label'] = ''), /annotations\[0\]: the name is empty/],
    ['two of one id', (f) => (f.annotations[1]!['id'] = 'a1'), /two annotations have one id/],
    ['two scans of one id', (f) => (f.scans[1]!['id'] = 's1'), /two scans have one id/],
    ['spacing', (f) => (f.scans[0]!['spacing'] = [1, 1]), /scans\[0\]\.spacing: 3 numbers expected/],
    ['negative spacing', (f) => (f.scans[0]!['spacing'] = [1, -1, 1]), /mm above 0 expected/],
    ['grey levels', (f) => (f.scans[0]!['intensity'] = 'bright'), /scans\[0\]\.intensity: minmax, window, percentile, ct_rgb or/],
    ['a window upside down', (f) => (f.scans[0]!['intensity'] = { low: 4, high: 4 }), /intensity: "low" below "high" expected, 4 and 4/],
    ['half a window', (f) => (f.scans[0]!['intensity'] = { low: 4 }), /intensity\.high: a number expected/],
    ['a kind', (f) => (f.scans[0]!['kind'] = 'movie'), /scans\[0\]\.kind/],
    ['a long text', (f) => (f.scans[0]!['description'] = 'x'.repeat(3000)), /description: 3000 characters; 2000 at most/],
    ['no list', (f) => (f.annotations = {} as LabelFile['annotations']), /annotations: a list expected/],
    [
      'a prototype',
      (f) => (f.scans[0] = JSON.parse('{"__proto__": {"id": "x"}}') as Record<string, unknown>),
      /"__proto__" is not known here/,
    ],
  ])('%s', (_, change, message) => {
    expect(() => readLabels(changed(change), 'l.json')).toThrow(message);
  });

  it.each([
    ['no JSON', 'labels', /not valid JSON/],
    ['a list', '[]', /an object expected/],
    ['nothing', '', /not valid JSON/],
  ])('%s', (_, text, message) => {
    expect(() => readLabels(bytes(text), 'l.json')).toThrow(message);
  });

  it('any change of a byte: an error that says why, or labels', () => {
    const whole = bytes(labelsText(labels));
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
        const copy = whole.slice();
        copy[at] = value;
        try {
          readLabels(copy, 'l.json');
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('are put on the scans that are there', () => {
  it('by name and kind', () => {
    const { annotations, said, missing } = matchLabels(labels, [{ id: 'other', name: 'knee.nii.gz', kind: 'volume' }]);
    expect(said).toEqual(new Map([['other', scan]]));
    expect(annotations).toEqual([{ ...box, scan: 'other' }]);
    expect(missing).toEqual([picture.name]);
  });
  it('with what the file says of a scan and nobody has said there', () => {
    const bare = { modality: '', description: '', spacing: null, intensity: 'window' } as const;
    expect(newlySaid(bare, scan)).toEqual({
      modality: 'CT',
      description: 'a knee',
      spacing: [1, 1, 2],
      intensity: { low: -500, high: 1300 },
    });
    expect(newlySaid({ modality: 'MRI', description: 'a hip', spacing: [2, 2, 2], intensity: 'minmax' }, scan)).toEqual({});
    const { intensity: _, ...older } = scan;
    expect(newlySaid(bare, older)).not.toHaveProperty('intensity');
  });
  it('never on another kind', () => {
    expect(matchLabels(labels, [{ id: 's1', name: 'knee.nii.gz', kind: 'picture' }])).toEqual({
      annotations: [],
      said: new Map(),
      missing: [scan.name, picture.name],
    });
  });
});

describe('sides', () => {
  const scans = (...names: string[]): { name: string; annotations: number }[] => names.map((name) => ({ name, annotations: 3 }));
  it('one scan trains', () => {
    expect(suggestSides(scans('a.nii'))).toEqual(['train']);
    expect(suggestSides([])).toEqual([]);
  });
  it('of two, one is held out; of twenty, four', () => {
    expect(suggestSides(scans('a.nii', 'b.nii')).sort()).toEqual(['test', 'train']);
    const many = suggestSides(scans(...Array.from({ length: 20 }, (_, i) => `p${i}.nii.gz`)));
    expect(many.filter((side) => side === 'test')).toHaveLength(4);
  });
  it('a patient is on one side, and scans without annotations train', () => {
    const names = ['sub-01_T1w.nii.gz', 'sub-01_T2w.nii.gz', 'sub-02_T1w.nii.gz', 'sub-02_T2w.nii.gz'];
    for (let seed = 0; seed < 8; seed++) {
      const [a, b, c, d] = suggestSides(scans(...names), seed);
      expect([a, c].sort()).toEqual(['test', 'train']);
      expect([b, d]).toEqual([a, c]);
    }
    expect(suggestSides([...scans('a.nii'), { name: 'b.nii', annotations: 0 }])).toEqual(['train', 'train']);
    expect([patientOf('sub-07_ses-1_bold.nii'), patientOf('scan 1.nii.gz'), patientOf('a.png')]).toEqual(['sub-07', 'scan 1', 'a']);
  });
});
