/** The memory of a run, planned before it begins. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { bytesText } from '../../src/track/console.ts';
import { Progress } from '../parts/progress.tsx';
import type { ViewProps } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import { rowsOf } from '../train/rowsOf.ts';
import type { PlannedMemory } from './inWorker.ts';

export function Memory({ studio, open }: ViewProps): JSX.Element {
  const [planned, setPlanned] = useState<PlannedMemory | null>(null);
  const [isPlanning, setPlanning] = useState(false);
  const own = texts.model;
  const plan = async (): Promise<void> => {
    setPlanning(true);
    try {
      const { base, options, given, annotations } = open.project.peek();
      const rows = given !== null || annotations.length > 0 ? await rowsOf(studio, open) : null;
      setPlanned(await studio.worker.value.own.planMemory({ base, options, rows }));
    } catch (error) {
      studio.failed(error);
    }
    setPlanning(false);
  };
  return (
    <section class="card" aria-label={own.memory}>
      <h3>{own.memory}</h3>
      <p class="help">{own.memoryHelp}</p>
      <p>
        <button type="button" disabled={isPlanning} onClick={() => void plan()}>
          {own.plan}
        </button>
      </p>
      {isPlanning && <Progress label={own.planning} />}
      {planned !== null && <Planned planned={planned} />}
    </section>
  );
}

function Planned({ planned }: { planned: PlannedMemory }): JSX.Element {
  const { assumption, labels, peakBytes, neededBytes, limitBytes, savingBytes, kept } = planned;
  const own = texts.model;
  return (
    <>
      <p>
        <strong>{own.needed(bytesText(neededBytes))}</strong> {own.assumption(assumption)}
      </p>
      {limitBytes !== null && limitBytes < neededBytes && <p class="wrong">{own.tooMuch(bytesText(limitBytes))}</p>}
      {limitBytes === null && <p class="soft">{own.unknownLimit}</p>}
      <div class="scroll" tabIndex={0} role="region" aria-label={own.memory}>
        <table class="memory">
          <thead>
            <tr>
              <th scope="col">{own.label}</th>
              <th scope="col" class="number">
                {own.atPeak}
              </th>
              <th scope="col" class="number">
                {own.atMost}
              </th>
            </tr>
          </thead>
          <tbody>
            {labels.map(({ label, atPeak, atMost }) => (
              <tr key={label}>
                <th scope="row">{label}</th>
                <td class="number">{bytesText(atPeak)}</td>
                <td class="number">{bytesText(atMost)}</td>
              </tr>
            ))}
            <tr>
              <th scope="row">{own.together}</th>
              <td class="number">{bytesText(peakBytes)}</td>
              <td />
            </tr>
          </tbody>
        </table>
      </div>
      {savingBytes > 0 && <p class="soft">{own.saving(bytesText(savingBytes))}</p>}
      {kept !== '' && <p class="soft">{kept}</p>}
    </>
  );
}
