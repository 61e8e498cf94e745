/** Where the person is, as the address says it behind #: `#<project>/<step>`, `#sample`, or nothing for the list of projects. */
import { effect } from '@preact/signals';
import { UserError } from '../../src/platform.ts';
import { openProject, projectFolder } from '../studio/project.ts';
import { STEPS } from '../studio/studio.ts';
import type { Step, Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';

export type Place = { project: string; step: Step } | 'sample' | 'projects';

const SAMPLE = '#sample';

/** @param hash of an address, which anybody may have written: what names no step of a project is the list */
export function placeOf(hash: string): Place {
  if (hash === SAMPLE) return 'sample';
  const [, project, named] = /^#([\w-]+)\/(\w+)$/.exec(hash) ?? [];
  const step = STEPS.find((one) => one === named);
  return project === undefined || step === undefined ? 'projects' : { project, step };
}

export function hashOf(place: Place): string {
  if (place === 'projects') return '';
  return place === 'sample' ? SAMPLE : `#${place.project}/${place.step}`;
}

const placeIn = ({ open: { value: open }, step, isOnSample }: Studio): Place =>
  open !== null ? { project: open.id, step: step.value } : isOnSample.value ? 'sample' : 'projects';

/** Goes where the address says, now and whenever the person goes back or forward, and keeps the address true to what is shown. */
export function followAddress(studio: Studio): void {
  const { isArriving } = studio;
  let going = Promise.resolve();
  let count = 0;
  const say = (place: Place, how: 'pushState' | 'replaceState'): void => {
    const hash = hashOf(place);
    if (hash !== location.hash) history[how](null, '', hash === '' ? location.pathname + location.search : hash);
  };
  const arrive = (): void => {
    count++;
    isArriving.value = true;
    going = going
      .then(() => goTo(studio, placeOf(location.hash)))
      .catch((error: unknown) => studio.failed(error))
      .finally(() => {
        if (--count > 0) return;
        // Where it could not be gone to.
        say(placeIn(studio), 'replaceState');
        isArriving.value = false;
      });
  };
  addEventListener('popstate', arrive);
  arrive();
  effect(() => {
    const place = placeIn(studio);
    if (!isArriving.value) say(place, 'pushState');
  });
}

async function goTo(studio: Studio, place: Place): Promise<void> {
  if (typeof place === 'object' && studio.open.peek()?.id === place.project) {
    studio.step.value = place.step;
    return;
  }
  await studio.close();
  studio.isOnSample.value = place === 'sample';
  if (typeof place === 'string') return;
  const { project, step } = place;
  if (!(await studio.files.exists(projectFolder(project)))) throw new UserError(texts.studio.notHere);
  const { name } = await openProject(studio.files, project);
  await studio.openById(project, name, step);
}
