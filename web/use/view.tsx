/** The step "Use": questions to what was learnt, a run as an archive, and on the hub. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Answer } from '../../src/api/answer.ts';
import type { Job } from '../../src/api/job.ts';
import type { Picture } from '../../src/api/pictures.ts';
import { connectScans } from '../data/scanClient.ts';
import type { ScanClient } from '../data/scanClient.ts';
import { OWN_BASE, OWN_GEMMA, OWN_SMOLVLM } from '../own/places.ts';
import { Progress } from '../parts/progress.tsx';
import type { ViewProps } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import { liveRun } from '../train/runs.ts';
import { AnswerCard } from './answer.tsx';
import { modelsOf, OpenedModel, pickAdapter } from './models.ts';
import type { AskedModel } from './models.ts';
import type { About, AskedQuestion } from './asked.ts';
import { QuestionForm } from './question.tsx';
import { TakeAway } from './takeAway.tsx';
import './use.css';

export function UseView({ studio, open }: ViewProps): JSX.Element {
  const { runs, base } = open.project.value;
  const current = liveRun(open).value;
  void current?.changes.value;
  const isTraining = current !== null && !current.isOver;
  const [models, setModels] = useState<readonly AskedModel[]>([]);
  const [picked, setPicked] = useState<readonly AskedModel[]>([]);
  const [chosen, choose] = useState<string | null>(null);
  const failed = (error: unknown): void => studio.failed(error);
  useEffect(() => {
    let isShown = true;
    modelsOf(studio, open).then((found) => isShown && setModels(found), failed);
    return () => {
      isShown = false;
    };
  }, [runs, base, isTraining]);
  const all = [...models, ...picked];
  // What was learnt last, unless another is chosen.
  const model = all.find(({ key }) => key === chosen) ?? all[1] ?? all[0];
  const pick = async (files: readonly File[]): Promise<void> => {
    if (files.length === 0) return;
    const found = await pickAdapter(studio, open, files);
    setPicked((before) => [...before.filter(({ key }) => key !== found.key), found]);
    choose(found.key);
  };
  return (
    <>
      <h2>{texts.steps.use}</h2>
      {isTraining && <p class="soft">{texts.use.underWay}</p>}
      {[OWN_BASE, OWN_GEMMA, OWN_SMOLVLM].includes(base) && <p class="soft">{texts.use.tiny}</p>}
      <section class="card" aria-label={texts.use.ask}>
        <h3>{texts.use.ask}</h3>
        <div class="row">
          <label>
            {texts.use.model}{' '}
            <select id="asked-model" value={model?.key} onChange={(event) => choose(event.currentTarget.value)}>
              {all.map(({ key, name }) => (
                <option key={key} value={key} selected={key === model?.key}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <label>
            {texts.use.pickAdapter}{' '}
            <input
              type="file"
              // Not among the attributes that Preact types.
              {...{ webkitdirectory: true }}
              onChange={(event) => void pick([...(event.currentTarget.files ?? [])]).catch(failed)}
            />
          </label>
        </div>
        {model !== undefined && <Asking studio={studio} open={open} model={model} isTraining={isTraining} />}
      </section>
      <TakeAway studio={studio} open={open} models={models} isTraining={isTraining} />
    </>
  );
}

/** A slice becomes a picture before a model is loaded. */
async function pictureOf(scans: ScanClient, about: About): Promise<{ picture: Picture; pixel_size?: string[] }> {
  if ('picture' in about) return { picture: about.picture.file };
  const { pixelSize, ...picture } = await scans.askedSlice(about.slice);
  return { picture, ...(pixelSize && { pixel_size: pixelSize.map(String) }) };
}

async function written(job: Job<string, Answer>, seen: (piece: string) => void): Promise<Answer> {
  for await (const piece of job) seen(piece);
  return await job;
}

/**
 * Neither decoding nor loading can be ended, nor the pass over a prompt: they are waited for no longer. What is loaded serves the next
 * question.
 */
function unlessStopped<T>(work: Promise<T>, stop: AbortSignal): Promise<T> {
  return new Promise((done, fail) => {
    stop.addEventListener('abort', () => fail(new Error('stopped')), { once: true });
    if (stop.aborted) fail(new Error('stopped'));
    work.then(done, fail);
  });
}

function Asking({ studio, open, model, isTraining }: ViewProps & { model: AskedModel; isTraining: boolean }): JSX.Element {
  const [opened] = useState(() => new OpenedModel(studio));
  const [scans] = useState(connectScans);
  const [state, setState] = useState<'idle' | 'loading' | 'asking'>('idle');
  const [said, setSaid] = useState('');
  const [words, setWords] = useState('');
  const [answer, setAnswer] = useState<Answer | null>(null);
  const stop = useRef<AbortController | null>(null);
  useEffect(
    () => () => {
      stop.current?.abort();
      void opened.close();
      scans.terminate();
    },
    [],
  );
  // The GPU is the run's.
  useEffect(() => {
    if (isTraining) void opened.close();
  }, [isTraining]);
  const ask = async ({ about, question, request }: AskedQuestion): Promise<void> => {
    const own = new AbortController();
    stop.current = own;
    setAnswer(null);
    setWords('');
    setState('loading');
    try {
      const { picture, ...size } = await unlessStopped(pictureOf(scans, about), own.signal);
      const loaded = await unlessStopped(opened.of(model, setSaid), own.signal);
      setState('asking');
      const job = loaded.ask(picture, question, { ...request, ...size, signal: own.signal });
      const seen = (piece: string): void => setWords((before) => (own.signal.aborted ? before : before + piece));
      const found = await unlessStopped(written(job, seen), own.signal);
      setWords(found.text);
      setAnswer(found);
    } catch (error) {
      if (!own.signal.aborted) studio.failed(error);
    }
    setState('idle');
  };
  return (
    <>
      <QuestionForm
        project={open.project.value}
        scanClient={scans}
        disabled={isTraining || state !== 'idle'}
        onAsk={(asked) => void ask(asked)}
      />
      {state !== 'idle' && (
        <>
          <Progress label={state === 'loading' ? texts.use.loading : texts.use.asking} />
          {state === 'loading' && <p class="soft">{said}</p>}
          <button type="button" class="danger" onClick={() => stop.current?.abort()}>
            {texts.use.stop}
          </button>
        </>
      )}
      {(answer !== null || words !== '') && <AnswerCard text={words} answer={answer} />}
    </>
  );
}
