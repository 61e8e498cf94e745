/** The page of runs that `vernier ui` serves. */
import { render } from 'preact';
import { keepFocus } from '../parts/keptFocus.ts';
import { App } from './app.tsx';

const root = document.getElementById('app');
if (root === null) throw new Error('the page has no #app');
root.replaceChildren();
keepFocus(root);
render(<App />, root);
