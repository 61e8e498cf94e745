/** The server's answers: what each address gives. Nothing in a request is a path; a run is named by its id, a file by one of few names. */
import { Hono } from 'hono';
import type { Context } from 'hono';
import { redact } from '../../track/secrets.ts';
import { refusalOf, startRequest } from './actions.ts';
import type { Actions } from './actions.ts';
import { jsonBody } from './body.ts';
import { compareRuns, describeRun, picturesOf, reportPage } from './describe.ts';
import { fileResponse } from './files.ts';
import { guard } from './guard.ts';
import type { GuardSettings } from './guard.ts';
import { readPlace } from './logLines.ts';
import { STUDIO } from './pages.ts';
import type { Pages } from './pages.ts';
import { notFound, Refusal } from './refusal.ts';
import type { KnownRun, Runs } from './runs.ts';

export interface AppSettings extends GuardSettings {
  runs: Runs;
  actions: Actions;
  pages: Pages;
  /** Where the printed address leads. */
  opensStudio: boolean;
  /** Told of what went wrong with us, not with a request. */
  onFailure: (error: unknown) => void;
}

/** Of all runs together: each takes a connection. */
const MOST_VIEWERS = 200;
/** A page of a run's: what it loads lies in it. */
const REPORT_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox";

export function createApp(settings: AppSettings): Hono {
  const { runs, actions, pages } = settings;
  const app = new Hono();
  const run = (c: Context): Promise<KnownRun> => {
    const id = c.req.param('id') ?? '';
    if (!/^[0-9a-f]{16}$/.test(id)) throw notFound();
    return runs.get(id);
  };
  const options = async (c: Context): Promise<Readonly<Record<string, unknown>>> => startRequest(await jsonBody(c.req.raw)).options;

  app.use(guard(settings));
  app.get('/', (c) => c.redirect(settings.opensStudio ? STUDIO : '/ui.html', 303));

  app.get('/api/runs', async (c) => c.json(await runs.list()));
  app.post('/api/runs', async (c) => c.json(await actions.start(startRequest(await jsonBody(c.req.raw))), 202));
  app.get('/api/runs/:id', async (c) => c.json(await describeRun(runs, await run(c))));
  app.get('/api/runs/:id/events', async (c) => {
    const { events } = await run(c);
    if (runs.viewerCount >= MOST_VIEWERS) throw new Refusal(503, `${MOST_VIEWERS} pages watch already; close some.`);
    // What was received last holds, where a connection is taken up again.
    const from = readPlace(c.req.header('last-event-id')) ?? readPlace(c.req.query('from'));
    return c.body(events.stream(from), 200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
  });
  app.get('/api/runs/:id/pictures', async (c) => c.json(await picturesOf(runs, await run(c))));
  app.get('/api/runs/:id/said', async (c) => {
    const said = await runs.jobs.said((await run(c)).name);
    return c.json(said.map(({ kind, text }) => ({ kind, text: redact(text) })));
  });
  app.get('/api/runs/:id/report', async (c) => {
    const page = await reportPage(runs, await run(c));
    return c.body(page, 200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': REPORT_POLICY });
  });
  app.get('/api/runs/:id/files/:name', async (c) => {
    const response = await fileResponse(runs.folder, (await run(c)).name, c.req.param('name'));
    if (response.headers.get('content-type')?.startsWith('text/html')) c.header('Content-Security-Policy', REPORT_POLICY);
    return withHead(c, response);
  });
  app.post('/api/runs/:id/stop', async (c) => {
    await jsonBody(c.req.raw);
    await actions.stop(await run(c));
    return c.json({}, 202);
  });
  app.post('/api/runs/:id/resume', async (c) => {
    await jsonBody(c.req.raw);
    return c.json(await actions.resume(await run(c)), 202);
  });
  app.post('/api/runs/:id/evaluate', async (c) => c.json(await actions.evaluate(await run(c), await options(c)), 202));
  app.post('/api/runs/:id/merge', async (c) => c.json(await actions.merge(await run(c), await options(c)), 202));
  app.get('/api/compare', async (c) => {
    const ids = (c.req.query('runs') ?? '').split(',');
    if (ids.length !== 2 || !ids.every((id) => /^[0-9a-f]{16}$/.test(id))) throw new Refusal(400, 'Two ids of runs are expected.');
    const chosen = [await runs.get(ids[0]!), await runs.get(ids[1]!)];
    return c.json(await compareRuns(runs, chosen));
  });
  app.get('*', async (c) => {
    // As the address has it: what is written otherwise is another name, and there is none.
    const response = await pages.response(new URL(c.req.url).pathname, new Headers());
    return withHead(c, response);
  });

  app.notFound((c) => told(c, notFound()));
  app.onError((error, c) => {
    const refusal = refusalOf(error);
    if (refusal) return told(c, refusal);
    settings.onFailure(error);
    return c.json({ error: 'It could not be done; the terminal of the server says why.' }, 500);
  });
  return app;
}

function told(c: Context, { status, message }: Refusal): Response {
  return c.json({ error: redact(message) }, status);
}

/** A response with the headers of all answers, where it has none of its own. */
function withHead(c: Context, response: Response): Response {
  for (const [name, value] of response.headers) c.header(name, value);
  return c.newResponse(response.body, response.status as 200);
}
