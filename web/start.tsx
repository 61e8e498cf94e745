/** Vernier Studio: fine-tuning on one's own scans in a page. The work is done in a worker (studio/worker.ts), this thread draws. */
import { render } from 'preact';
import { App } from './app.tsx';
import { keepOffline } from './offline/register.ts';
import { keepFocus } from './parts/keptFocus.ts';
import { followAddress } from './shell/place.ts';
import { Studio } from './studio/studio.ts';

const root = document.getElementById('app');
if (root === null) throw new Error('the page has no #app');
root.replaceChildren();
keepFocus(root);
const studio = new Studio();
followAddress(studio);
render(<App studio={studio} />, root);
const keep = (): void => void keepOffline(studio);
if (document.readyState === 'complete') keep();
else addEventListener('load', keep);
