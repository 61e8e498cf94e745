/** What the runs of a project have left, looked at anew when they change. */
import { useEffect, useState } from 'preact/hooks';
import { runFolder } from '../studio/project.ts';
import type { ViewProps } from '../studio/studio.ts';
import type { KeptRun } from './inWorker.ts';

/** Oldest first. @param isUnderWay a run that ends has left something */
export function useKeptRuns({ studio, open }: ViewProps, isUnderWay: boolean): readonly KeptRun[] {
  const { runs } = open.project.value;
  const [kept, setKept] = useState<readonly KeptRun[]>([]);
  useEffect(() => {
    let isShown = true;
    const places = runs.map(({ name }) => ({ name, folder: runFolder(open.id, name) }));
    studio.worker.value.own.keptRuns(places).then(
      (found) => isShown && setKept(found),
      (error: unknown) => studio.failed(error),
    );
    return () => {
      isShown = false;
    };
  }, [runs, isUnderWay]);
  return kept;
}
