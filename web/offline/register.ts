/** Has the browser keep the page, once it is there and has nothing more urgent to fetch. */
import type { Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import { errorText } from '../../src/platform.ts';

export async function keepOffline(studio: Studio): Promise<void> {
  // A page that is worked on (`npx vite`) changes under it.
  if (!('serviceWorker' in navigator) || import.meta.hot) return;
  const wasKept = navigator.serviceWorker.controller !== null;
  try {
    const kept = await navigator.serviceWorker.register('./sw.js');
    if (wasKept) tellOfNew(studio, kept);
    await navigator.serviceWorker.ready;
    if (!wasKept) studio.tell('info', texts.offline.ready);
  } catch (error) {
    studio.tell('warning', texts.offline.failed(errorText(error)));
  }
}

/** The page goes on as it was kept: what it is made of belongs together. A reload gives the same, so that it has to be said. */
function tellOfNew(studio: Studio, kept: ServiceWorkerRegistration): void {
  const look = (): void => {
    if (kept.waiting) studio.tell('info', texts.offline.newer);
  };
  look();
  kept.addEventListener('updatefound', () => kept.installing?.addEventListener('statechange', look));
}
