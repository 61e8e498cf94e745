/** Files on their way into a project. They go on coming while other steps are looked at, and end with the project. */
import { effect } from '@preact/signals';
import { proxy } from 'comlink';
import { checkAnnotation, sliceDimOf } from '../../src/data/drawn/annotation.ts';
import type { DrawnAnnotation } from '../../src/data/drawn/annotation.ts';
import { matchLabels, newlySaid } from '../../src/data/drawn/labels.ts';
import type { Labels } from '../../src/data/drawn/labels.ts';
import { UserError } from '../../src/platform.ts';
import { signalOfEach } from '../studio/signalOfEach.ts';
import type { OpenProject, Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import type { DroppedFile } from './importing.ts';
import { connectScans } from './scanClient.ts';
import type { ScanClient } from './scanClient.ts';
import { sizeOf } from './scanPixels.ts';

export interface Taking {
  text: string;
  share: number;
}

/** What is being taken in; null: nothing. */
export const takingIn = signalOfEach<OpenProject, Taking>();

type Remember = (before: readonly DrawnAnnotation[], after: readonly DrawnAnnotation[]) => void;

/**
 * Into the project, and told. A project that is closed takes nothing any more.
 * @param remember of labels that are read: the drawings before and after
 * @returns id of the first scan that was taken; null: none was
 */
export async function takeFiles(
  studio: Studio,
  open: OpenProject,
  files: readonly DroppedFile[],
  remember: Remember,
): Promise<string | null> {
  const state = takingIn(open);
  if (state.peek() !== null) throw new UserError(texts.data.takingOthers);
  const client = connectScans();
  const tell = (name: string, done: number, all: number): Promise<void> => {
    state.value = { text: texts.data.reading(name, done, all), share: done / all };
    return Promise.resolve();
  };
  void tell(files[0]?.path ?? '', 0, files.length);
  const unwatch = effect(() => {
    if (studio.open.value !== open) client.terminate();
  });
  try {
    return await taken(studio, open, client, files, tell, remember);
  } finally {
    unwatch();
    client.terminate();
    state.value = null;
  }
}

async function taken(
  studio: Studio,
  open: OpenProject,
  client: ScanClient,
  files: readonly DroppedFile[],
  tell: (name: string, done: number, all: number) => Promise<void>,
  remember: Remember,
): Promise<string | null> {
  const found = await client.importFiles(
    open.id,
    files,
    open.project.peek().scans.map(({ name }) => name),
    proxy(tell),
  );
  if (found.scans.length > 0) {
    const { scans, annotations } = open.project.peek();
    open.change({ scans: [...scans, ...found.scans], annotations: [...annotations, ...found.annotations] });
    studio.tell('info', texts.data.taken(found.scans.length));
  }
  if (found.given) {
    const before = open.project.peek().given;
    const train = found.given.train || (before?.train ?? '');
    if (train === '') studio.tell('warning', texts.data.givenNeedsTrain);
    else open.change({ given: { train, val: found.given.val ?? before?.val ?? null } });
  }
  for (const labels of found.labels) await takeLabels(studio, open, client, labels, remember);
  for (const note of found.notes) studio.tell('info', note);
  if (found.warnings.length > 0) studio.tell('warning', texts.data.several(found.warnings));
  if (found.problems.length > 0) studio.tell('error', texts.data.problems(found.problems));
  else if (found.scans.length === 0 && found.given === null && found.labels.length === 0) studio.tell('warning', texts.data.nothing);
  return found.scans[0]?.id ?? null;
}

async function takeLabels(studio: Studio, open: OpenProject, client: ScanClient, labels: Labels, remember: Remember): Promise<void> {
  const { annotations, said, missing } = matchLabels(labels, open.project.peek().scans);
  const { fitting, outside } = await fittingOnes(open, client, annotations);
  const { scans, annotations: before } = open.project.peek();
  const known = new Set(before.map(({ id }) => id));
  const after = [...before, ...fitting.map((one) => (known.has(one.id) ? { ...one, id: crypto.randomUUID() } : one))];
  remember(before, after);
  open.change({
    annotations: after,
    scans: scans.map((scan) => {
      const of = said.get(scan.id);
      return of === undefined ? scan : { ...scan, ...newlySaid(scan, of) };
    }),
  });
  studio.tell('info', texts.data.imported(fitting.length));
  if (missing.length > 0) studio.tell('warning', texts.data.missing(missing));
  if (outside.length > 0) studio.tell('warning', texts.data.several([texts.data.outside(outside.length), ...outside]));
}

/** A file of labels knows its scans by name; one of another size may have the same. */
async function fittingOnes(
  open: OpenProject,
  client: ScanClient,
  annotations: readonly DrawnAnnotation[],
): Promise<{ fitting: DrawnAnnotation[]; outside: string[] }> {
  const fitting: DrawnAnnotation[] = [];
  const outside: string[] = [];
  for (const scan of open.project.peek().scans) {
    const own = annotations.filter((one) => one.scan === scan.id);
    if (own.length === 0) continue;
    const shape = await client.shapeOf(scan);
    for (const annotation of own) {
      const { plane, slice, label } = annotation;
      const count = plane === null ? 1 : (shape[sliceDimOf(plane)] ?? 0);
      try {
        if (slice >= count) throw new UserError(texts.data.noSlice(`${scan.name}: ${label}`, slice, count));
        checkAnnotation(annotation, sizeOf(shape, plane), `${scan.name}: ${label}`);
        fitting.push(annotation);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        outside.push(error.message);
      }
    }
  }
  return { fitting, outside };
}
