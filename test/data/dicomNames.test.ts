/** Nothing that names a person, a place or a study comes out of a DICOM file: not in what is kept of it, nor in what is said. */
import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';
import { expect, it } from 'vitest';
import { openDicomScan } from '../../src/data/dicom/scan.ts';
import { readSeries } from '../../src/data/dicom/series.ts';
import { DICOM_LIMITS } from '../../src/data/dicom/limits.ts';
import { TAGS } from '../../src/data/dicom/tags.ts';
import { volumeProgram } from '../../src/options/volume.ts';
import { parseFor } from '../../src/options/program.ts';
import { runVolume } from '../../src/run/volume/volume.ts';
import { holdingFiles } from './filesInMemory.ts';

const files = unzipSync(readFileSync(new URL('../golden/dicom_objects.zip', import.meta.url)));
/** What test/golden/dicom_objects.py writes into every object. */
const IDENTIFYING =
  /Zyxwvut|Hildegard|PID-778899|19010203|Qwertz|Abcxyz|ACC-556677|STUDY-1|20260102|112233|1\.2\.3\.7[789]|1\.2\.826\.0\.1\.3680043/;
const inputs = [...new Set(Object.keys(files).map((name) => name.split('/')[0] ?? ''))].filter((name) => name !== 'index.json');
const written = new Map<string, Uint8Array>();
const platform = {
  ...holdingFiles(files),
  writeFile: (path: string, data: Uint8Array | string) => {
    written.set(path, typeof data === 'string' ? new TextEncoder().encode(data) : data);
    return Promise.resolve();
  },
};

it('the names are in the files', () => {
  const text = new TextDecoder('latin1').decode(files['ct_signed.dcm']);
  expect(text).toContain('Zyxwvut');
  expect(text).toContain('PID-778899');
});

it('no identifying attribute can be read', () => {
  // PS3.15, table E.1-1: patients, institutions, people, dates; descriptions may hold any of them.
  for (const [name, [tag]] of Object.entries(TAGS)) {
    expect(tag.startsWith('x0010'), name).toBe(false);
    expect(name).not.toMatch(/Name|Date|(?<!Echo|Inversion|Trigger|TriggerDelay|FrameReference)Time(?!S(?:lot|lice)Vector)|Description|Comment|Institution|Physician|Operator|Accession|StudyID|Address|Birth|Sex|Age/);
  }
});

it.each(inputs)('%s', async (name) => {
  const said: string[] = [];
  const tell = async (flags: Record<string, string>): Promise<void> => {
    const { options } = parseFor(volumeProgram, { input: name, ...flags });
    try {
      await runVolume({ platform, options, terminal: { write: (text) => void said.push(text) }, stop: new AbortController().signal });
    } catch (error) {
      said.push(String(error), String((error as Error).cause ?? ''));
    }
  };
  written.clear();
  await tell({ json: 'true' });
  await tell({});
  await tell({ out: 'x.nii' });
  await tell({ out: 'x.png' });
  expect(said.join('')).not.toBe('');
  expect(said.join('\n')).not.toMatch(IDENTIFYING);
  for (const bytes of written.values()) expect(new TextDecoder('latin1').decode(bytes)).not.toMatch(IDENTIFYING);
});

it('what is kept of a file has no name in it', async () => {
  const { files: facts } = await readSeries(platform, 'ct_signed.dcm', DICOM_LIMITS);
  const kept = JSON.stringify(facts, (key, value: unknown) =>
    ['studyUid', 'seriesUid', 'objectUid', 'file'].includes(key) ? undefined : value,
  );
  expect(kept.length).toBeGreaterThan(100);
  expect(kept).not.toMatch(IDENTIFYING);
  const scan = await openDicomScan(platform, 'ct_signed.dcm');
  expect(JSON.stringify(scan)).not.toMatch(IDENTIFYING);
});
