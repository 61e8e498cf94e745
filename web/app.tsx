/** The shell: projects, or an open one with its five steps; the GPU, the storage and messages around them. */
import { useEffect, useRef } from 'preact/hooks';
import type { ComponentType, JSX } from 'preact';
import { Loaded } from './parts/loaded.tsx';
import { Notices } from './parts/notices.tsx';
import { GpuLine } from './shell/gpuLine.tsx';
import { Projects } from './shell/projects.tsx';
import { Storage } from './shell/storage.tsx';
import { SampleView } from './sample/view.tsx';
import { STEPS } from './studio/studio.ts';
import type { OpenProject, Step, Studio, ViewProps } from './studio/studio.ts';
import { texts } from './texts.ts';

/** A step's code comes when it is looked at. */
const VIEWS: Readonly<Record<Step, () => Promise<ComponentType<ViewProps>>>> = {
  data: async () => (await import('./data/view.tsx')).DataView,
  model: async () => (await import('./model/view.tsx')).ModelView,
  train: async () => (await import('./train/view.tsx')).TrainView,
  judge: async () => (await import('./judge/view.tsx')).JudgeView,
  use: async () => (await import('./use/view.tsx')).UseView,
};

export function App({ studio }: { studio: Studio }): JSX.Element {
  const { value: open } = studio.open;
  useEffect(() => {
    const save = (): void => void studio.open.peek()?.save();
    // A browser leaves the page for a file that is dropped where nobody takes it. Fields for files take it themselves.
    const stay = (event: DragEvent): void => {
      if (event.defaultPrevented || (event.target instanceof HTMLInputElement && event.target.type === 'file')) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = 'none';
    };
    addEventListener('pagehide', save);
    for (const one of ['dragover', 'drop'] as const) addEventListener(one, stay);
    return () => {
      removeEventListener('pagehide', save);
      for (const one of ['dragover', 'drop'] as const) removeEventListener(one, stay);
    };
  }, [studio]);
  useFocusAt(open?.id ?? (studio.isOnSample.value ? 'sample' : 'projects'));
  return (
    <>
      <header class="top">
        <h1>{texts.studio.title}</h1>
        <GpuLine studio={studio} />
        <Storage studio={studio} />
      </header>
      <Notices studio={studio} />
      {open !== null ? (
        <Steps studio={studio} open={open} />
      ) : studio.isArriving.value ? (
        <p aria-busy="true">{texts.studio.arriving}</p>
      ) : studio.isOnSample.value ? (
        <SampleView studio={studio} />
      ) : (
        <Projects studio={studio} />
      )}
    </>
  );
}

/** Who goes by keyboard or ear is taken to what has come, where the button that led there is gone. */
function useFocusAt(place: string): void {
  const last = useRef(place);
  useEffect(() => {
    if (last.current === place) return;
    last.current = place;
    const main = document.querySelector('main');
    if (main === null || (document.activeElement ?? document.body) !== document.body) return;
    main.tabIndex = -1;
    main.focus();
  }, [place]);
}

function Steps({ studio, open }: { studio: Studio; open: OpenProject }): JSX.Element {
  const { value: step } = studio.step;
  const { name } = open.project.value;
  const leave = (): void => void studio.close().catch((error: unknown) => studio.failed(error));
  return (
    <>
      <nav class="steps" aria-label={texts.steps.label}>
        <button type="button" class="plain" onClick={leave}>
          ← {texts.studio.close}
        </button>
        <strong class="project">{name}</strong>
        <ol>
          {STEPS.map((one, i) => (
            <li key={one}>
              <button type="button" aria-current={one === step ? 'step' : undefined} onClick={() => (studio.step.value = one)}>
                <span aria-hidden="true">{i + 1}</span> {texts.steps[one]}
              </button>
            </li>
          ))}
        </ol>
      </nav>
      <main id={`step-${step}`}>
        <Loaded key={`${open.id} ${step}`} load={VIEWS[step]} props={{ studio, open }} failed={(error) => studio.failed(error)} />
      </main>
    </>
  );
}
