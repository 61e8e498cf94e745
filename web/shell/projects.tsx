/** The projects of this browser: open one, begin one, delete one. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Dialog } from '../parts/dialog.tsx';
import { Field } from '../parts/field.tsx';
import type { Project } from '../studio/project.ts';
import type { Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';

export function Projects({ studio }: { studio: Studio }): JSX.Element {
  const [projects, setProjects] = useState<Project[] | null>(null);
  const [name, setName] = useState('');
  const [leaving, setLeaving] = useState<Project | null>(null);
  const or = (work: Promise<unknown>): void => void work.catch((error: unknown) => studio.failed(error));
  const list = async (): Promise<void> => setProjects(await studio.projects());
  useEffect(() => {
    // Another tab may have made some, and deleted others.
    const again = (): void => {
      if (document.visibilityState === 'visible') or(list());
    };
    again();
    document.addEventListener('visibilitychange', again);
    return () => document.removeEventListener('visibilitychange', again);
  }, [studio]);
  const thenList = (work: Promise<unknown>): void => or(work.finally(() => or(list())));
  const remove = async (project: Project): Promise<void> => {
    setLeaving(null);
    await studio.remove(project);
  };
  return (
    <main id="projects">
      <p class="lead">{texts.studio.lead}</p>
      <form
        class="card row"
        onSubmit={(event) => {
          event.preventDefault();
          or(studio.create(name.trim() || texts.studio.newProject));
        }}
      >
        <Field label={`${texts.studio.newProject}: ${texts.studio.nameOfProject}`}>
          {(ids) => <input {...ids} value={name} maxLength={80} onInput={({ currentTarget }) => setName(currentTarget.value)} />}
        </Field>
        <button type="submit">{texts.studio.newProject}</button>
      </form>
      <section class="card row">
        <p>{texts.sample.help}</p>
        <button type="button" onClick={() => (studio.isOnSample.value = true)}>
          {texts.sample.title}
        </button>
      </section>
      <h2>{texts.studio.projects}</h2>
      {projects?.length === 0 && <p>{texts.studio.noProjects}</p>}
      <ul class="list">
        {projects?.map((project) => (
          <li key={project.id} class="card row">
            <div>
              <h3>{project.name}</h3>
              <p class="soft">{texts.studio.summary(project.scans.length, project.annotations.length, project.runs.length)}</p>
            </div>
            <button
              type="button"
              aria-label={`${texts.studio.open}: ${project.name}`}
              onClick={() => thenList(studio.openById(project.id, project.name))}
            >
              {texts.studio.open}
            </button>
            <button type="button" class="plain" aria-label={`${texts.studio.remove}: ${project.name}`} onClick={() => setLeaving(project)}>
              {texts.studio.remove}
            </button>
          </li>
        ))}
      </ul>
      {leaving && (
        <Dialog title={texts.studio.remove} onClose={() => setLeaving(null)}>
          <p>{texts.studio.removeSure(leaving.name)}</p>
          <button type="button" class="danger" onClick={() => thenList(remove(leaving))}>
            {texts.studio.remove}
          </button>{' '}
          <button type="button" class="plain" onClick={() => setLeaving(null)}>
            {texts.studio.cancel}
          </button>
        </Dialog>
      )}
    </main>
  );
}
