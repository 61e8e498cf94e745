/** Files of a run that can be had: those of these names, and no others. */
import { EVALUATION_FILE, SAMPLES } from '../evaluate/folder.ts';
import { REPORT_FILE } from '../report/forget.ts';
import { RECORD_FILE } from '../report/record.ts';
import { LOG_FILE } from '../../track/jsonl.ts';
import { TRAINER_STATE } from '../../train/checkpointFolder.ts';
import type { OutputsFolder } from './folder.ts';
import { notFound } from './refusal.ts';

/** Name to content type. */
const SERVED: Readonly<Record<string, string>> = {
  [REPORT_FILE]: 'text/html; charset=utf-8',
  [RECORD_FILE]: 'application/json',
  [LOG_FILE]: 'application/x-ndjson',
  [TRAINER_STATE]: 'application/json',
  [EVALUATION_FILE]: 'application/json',
  [SAMPLES]: 'application/x-ndjson',
  'summary.json': 'application/json',
  'README.md': 'text/plain; charset=utf-8',
  'adapter_config.json': 'application/json',
  'adapter_model.safetensors': 'application/octet-stream',
};

/** Those that the run has. */
export async function filesOf(folder: OutputsFolder, run: string): Promise<{ name: string; bytes: number }[]> {
  const files: { name: string; bytes: number }[] = [];
  for (const name of Object.keys(SERVED)) {
    const path = await folder.inside(run, name);
    const look = path === undefined ? undefined : await folder.platform.look(path);
    if (look?.kind === 'file') files.push({ name, bytes: look.size });
  }
  return files;
}

/** As a download, from the disk; a report is shown. @throws Refusal where there is none of the name */
export async function fileResponse(folder: OutputsFolder, run: string, name: string): Promise<Response> {
  const type = Object.hasOwn(SERVED, name) ? SERVED[name] : undefined;
  const path = type === undefined ? undefined : await folder.inside(run, name);
  if (type === undefined || path === undefined || (await folder.platform.look(path))?.kind !== 'file') throw notFound();
  const blob = await folder.platform.blob(path);
  return new Response(blob, {
    headers: {
      'Content-Type': type,
      'Content-Length': String(blob.size),
      ...(name !== REPORT_FILE && { 'Content-Disposition': `attachment; filename="${name}"` }),
    },
  });
}
