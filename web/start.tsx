/** Vernier Studio: fine-tuning on one's own scans in a page. The work is done in a worker (studio/worker.ts), this thread draws. */
import { render } from 'preact';
import { App } from './app.tsx';
import { Studio } from './studio/studio.ts';

const root = document.getElementById('app');
if (root === null) throw new Error('the page has no #app');
root.replaceChildren();
render(<App studio={new Studio()} />, root);
