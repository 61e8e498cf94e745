/** Of the build: `sw.js` beside the page, the service worker with the names of all files that it keeps. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';

const SOURCE = fileURLToPath(new URL('./serviceWorker.js', import.meta.url));
/** Of web/public, which a bundle does not list. */
const COPIED = ['icon.svg', 'manifest.webmanifest'];

export const offline: Plugin = {
  name: 'offline',
  apply: 'build',
  generateBundle: {
    // Pages are put into the bundle late.
    order: 'post',
    handler(_, bundle) {
      const files = [...Object.keys(bundle), ...COPIED].sort();
      const hash = createHash('sha256');
      for (const name of files) {
        const made = bundle[name];
        hash.update(name).update(made === undefined ? '' : made.type === 'chunk' ? made.code : made.source);
      }
      const source = readFileSync(SOURCE, 'utf8')
        .replace('const FILES = [];', `const FILES = ${JSON.stringify(files.map((name) => `./${name}`))};`)
        .replace("const VERSION = '';", `const VERSION = '${hash.digest('hex').slice(0, 16)}';`);
      this.emitFile({ type: 'asset', fileName: 'sw.js', source });
    },
  },
};
