/** How many drawings there are of each thing, on either side, and how many are enough. */
import type { JSX } from 'preact';
import type { DrawnAnnotation, Shape } from '../../src/data/drawn/annotation.ts';
import type { Project } from '../studio/project.ts';
import { texts } from '../texts.ts';

interface Counted {
  label: string;
  shape: Shape;
  train: { drawings: number; scans: number };
  test: { drawings: number; scans: number };
}

/** By name and kind, in the order that they were first drawn in. */
export function countsOf({ scans, annotations }: Pick<Project, 'scans' | 'annotations'>): Counted[] {
  const sideOf = new Map(scans.map(({ id, side }) => [id, side]));
  const groups = new Map<string, DrawnAnnotation[]>();
  for (const one of annotations) {
    const key = JSON.stringify([one.label, one.shape]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].map((own) => {
    const on = (side: 'train' | 'test'): Counted['train'] => {
      const drawn = own.filter(({ scan }) => sideOf.get(scan) === side);
      return { drawings: drawn.length, scans: new Set(drawn.map(({ scan }) => scan)).size };
    };
    return { label: own[0]!.label, shape: own[0]!.shape, train: on('train'), test: on('test') };
  });
}

export function Enough({ project }: { project: Project }): JSX.Element {
  const words = texts.data.enough;
  const counted = countsOf(project);
  return (
    <details class="enough">
      <summary>{words.title}</summary>
      <p>{words.help}</p>
      <ul>
        {counted.map(({ label, shape, train, test }) => (
          <li key={`${shape} ${label}`}>{words.count(label, texts.data.tools[shape], train, test)}</li>
        ))}
      </ul>
    </details>
  );
}
