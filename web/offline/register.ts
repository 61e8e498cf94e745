/** Has the browser keep the page, once it is there and has nothing more urgent to fetch. */
import type { Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';

export async function keepOffline(studio: Studio): Promise<void> {
  // A page that is worked on (`npx vite`) changes under it.
  if (!('serviceWorker' in navigator) || import.meta.hot) return;
  const wasKept = navigator.serviceWorker.controller !== null;
  try {
    await navigator.serviceWorker.register('./sw.js');
    await navigator.serviceWorker.ready;
    if (!wasKept) studio.tell('info', texts.offline.ready);
  } catch (error) {
    studio.tell('warning', texts.offline.failed(error instanceof Error ? error.message : String(error)));
  }
}
