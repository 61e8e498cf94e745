/**
 * What comes with the page from node/: the tiny bases and the embedded sample, under `own/` beside it. `npx vite` reads them where they
 * lie, a build copies them; the package leaves the copies out, and `vernier ui` serves them from node/ too.
 */
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';

const NODE = fileURLToPath(new URL('../../node', import.meta.url));
/** Folders of node/, and what of them is theirs. */
const MODEL = /^[^/]+\.(json|jinja|safetensors)$/;
const FOLDERS = { base: MODEL, 'base-medgemma': MODEL, 'base-smolvlm': MODEL, sample: /\.gz$/ };
const MODULE = 'virtual:own-files';

/** `base/config.json`, … */
function names(): string[] {
  return Object.entries(FOLDERS).flatMap(([folder, own]) =>
    readdirSync(join(NODE, folder), { recursive: true })
      .map((name) => String(name).replaceAll('\\', '/'))
      .filter((name) => own.test(name) && statSync(join(NODE, folder, name)).isFile())
      .map((name) => `${folder}/${name}`)
      .sort(),
  );
}

export const ownFilesPlugin: Plugin = {
  name: 'own files',
  resolveId: (id) => (id === MODULE ? `\0${MODULE}` : undefined),
  load: (id) => (id === `\0${MODULE}` ? `export const names = ${JSON.stringify(names())};` : undefined),
  configureServer({ middlewares }) {
    const known = new Set(names());
    middlewares.use('/own', (request, response, next) => {
      const name = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname.slice(1));
      if (!known.has(name)) return next();
      response.setHeader('content-type', 'application/octet-stream').setHeader('content-length', statSync(join(NODE, name)).size);
      if (request.method === 'HEAD') response.end();
      else createReadStream(join(NODE, name)).pipe(response);
    });
  },
  generateBundle() {
    for (const name of names()) this.emitFile({ type: 'asset', fileName: `own/${name}`, source: readFileSync(join(NODE, name)) });
  },
};
