/** The server's answers, typed. The cookie that it has set goes along by itself. */
import type { Comparison, Pictures, RunDetail, RunEntry, Started } from '../../src/run/ui/api.ts';
import type { JobKind } from '../../src/run/ui/jobFiles.ts';

/** The server's own words for what it does not do. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

async function asked<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await fetch(`/api/${path}`, init);
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok) return body as T; // the server is this page's own
  const told = typeof body === 'object' && body !== null && 'error' in body ? String(body.error) : `HTTP ${response.status}`;
  throw new Refused(told);
}

function post<T>(path: string, body: unknown = {}): Promise<T> {
  return asked(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
}

export type Options = Readonly<Record<string, unknown>>;

export const client = {
  list: () => asked<RunEntry[]>('runs'),
  detail: (id: string) => asked<RunDetail>(`runs/${id}`),
  pictures: (id: string) => asked<Pictures>(`runs/${id}/pictures`),
  said: (id: string) => asked<{ kind: JobKind; text: string }[]>(`runs/${id}/said`),
  compare: (a: string, b: string) => asked<Comparison>(`compare?runs=${a},${b}`),
  start: (name: string, options: Options) => post<Started>('runs', { name, options }),
  stop: (id: string) => post<object>(`runs/${id}/stop`),
  resume: (id: string) => post<Started>(`runs/${id}/resume`),
  evaluate: (id: string, options: Options) => post<Started>(`runs/${id}/evaluate`, { options }),
  merge: (id: string, options: Options) => post<Started>(`runs/${id}/merge`, { options }),
  fileAddress: (id: string, name: string) => `/api/runs/${id}/files/${name}`,
  reportAddress: (id: string) => `/api/runs/${id}/report`,
  eventsAddress: (id: string, from: string) => `/api/runs/${id}/events?from=${from}`,
};
