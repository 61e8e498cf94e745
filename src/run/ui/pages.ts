/** The pages that are served: the files of dist/web as they were when the server started, whatever is built since, by their exact names. */
import { joinPath } from '../../platform.ts';
import { notFound } from './refusal.ts';
import type { UiPlatform } from './folder.ts';

const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  gz: 'application/gzip',
  html: 'text/html; charset=utf-8',
  ico: 'image/x-icon',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  png: 'image/png',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
  wasm: 'application/wasm',
  webmanifest: 'application/manifest+json',
  woff2: 'font/woff2',
};

/** The page of runs: it loads what is ours, and talks to us. */
const OWN_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** The Studio says in itself what it loads; this is what a page cannot say. */
const STUDIO_POLICY = "object-src 'none'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'";

/** Where the Studio lies. */
export const STUDIO = '/studio/';
/** The page of runs, which is not the Studio's. */
const RUNS_PAGE = 'ui.html';

/** The package has them once, for `npm start` and the Studio. */
const OWN_FOLDERS = ['base', 'base-medgemma', 'base-smolvlm', 'sample'];

const MOST_FILES = 2000;
const DEPTH = 8;

export class Pages {
  private readonly platform: UiPlatform;
  /** Path of an address to file; with what it held, but for the bases and the sample, which no build changes. */
  private readonly files = new Map<string, { path: string; bytes?: Uint8Array<ArrayBuffer> }>();

  private constructor(platform: UiPlatform) {
    this.platform = platform;
  }

  /**
   * @param dir of the built pages; undefined: there are none
   * @param own folder with the tiny bases and the sample, which the Studio finds under own/; undefined: they lie in `dir`
   */
  static async open(platform: UiPlatform, dir: string | undefined, own?: string): Promise<Pages> {
    const pages = new Pages(platform);
    if (dir === undefined || !(await platform.isDirectory(dir))) return pages;
    await pages.add(dir, '', 0);
    if (own === undefined || (await platform.isDirectory(joinPath(dir, 'own')))) return pages;
    for (const name of OWN_FOLDERS) {
      if (await platform.isDirectory(joinPath(own, name))) await pages.add(joinPath(own, name), `own/${name}/`, 0);
    }
    return pages;
  }

  /** @param path as the address has it, nothing decoded @throws Refusal for what is no file of the pages */
  async response(path: string, head: Headers): Promise<Response> {
    const isStudio = path.startsWith(STUDIO);
    const file = this.files.get(path === STUDIO ? `${STUDIO}index.html` : path);
    if (file === undefined) {
      if (path === `/${RUNS_PAGE}` || path === STUDIO) return new Response(NOT_BUILT, { status: 404, headers: head });
      throw notFound();
    }
    head.set('Content-Type', TYPES[file.path.slice(file.path.lastIndexOf('.') + 1)] ?? 'application/octet-stream');
    head.set('Content-Security-Policy', isStudio ? STUDIO_POLICY : OWN_POLICY);
    // Names of assets change with what is in them.
    head.set('Cache-Control', /\/assets\//.test(path) ? 'private, max-age=31536000, immutable' : 'no-cache');
    return new Response(file.bytes ?? (await this.platform.blob(file.path)), { headers: head });
  }

  private async add(dir: string, below: string, depth: number): Promise<void> {
    for (const name of await this.platform.listDir(dir)) {
      const path = joinPath(dir, name);
      const at = `${below}${encodeURIComponent(name)}`;
      const look = await this.platform.look(path);
      if (look?.kind === 'folder' && depth < DEPTH) await this.add(path, `${at}/`, depth + 1);
      else if (look?.kind === 'file' && this.files.size < MOST_FILES) {
        const file = at.startsWith('own/') ? { path } : { path, bytes: new Uint8Array(await this.platform.readFile(path)) };
        this.files.set(`${STUDIO}${at}`, file);
        if (at === RUNS_PAGE || at.startsWith('assets/')) this.files.set(`/${at}`, file);
      }
    }
  }
}

const NOT_BUILT =
  'The pages are not built: run `npm run build` in the folder of Vernier, which makes dist/web, and start the server again.\n';
