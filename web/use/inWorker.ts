/** In the worker: archives of runs, and pushes to the hub. */
import { trainProgram } from '../../src/options.ts';
import { parseFor } from '../../src/options/program.ts';
import { joinPath } from '../../src/platform.ts';
import { modelFolder } from '../../src/run/inputs/hubInputs.ts';
import { openPushing } from '../../src/run/publish/pushing.ts';
import { LOG_FILE } from '../../src/track/jsonl.ts';
import { mergeAdapter } from '../../src/train/merge.ts';
import { platform } from '../here.ts';
import { texts } from '../texts.ts';
import { resultFiles, rowFiles, writeArchive } from './archive.ts';
import type { ArchiveFile } from './archive.ts';

export interface ArchiveRequest {
  /** Folder of the run, and where its result lies. */
  folder: string;
  result: string;
  base: string;
  recipe: string;
  report: string | null;
  /** Of the archive, and the folder within. */
  out: string;
  name: string;
  withMerged: boolean;
  /** Files of rows, by the names that the recipe gives them. */
  rows: { name: string; path: string }[];
}

export interface PushRequest {
  result: string;
  base: string;
  options: Readonly<Record<string, unknown>>;
  train: string;
  runName: string;
  repo: string;
  isPrivate: boolean;
}

type Tell = (text: string) => Promise<void>;

export const useFunctions = {
  /** @returns bytes of the archive */
  async packRun(request: ArchiveRequest, tell: Tell): Promise<number> {
    const { folder, result, base, recipe, report, out, name, withMerged, rows } = request;
    const files: ArchiveFile[] = await resultFiles(platform, result, `${name}/adapter`);
    files.push({ name: `${name}/recipe.yaml`, text: recipe });
    if (report !== null) files.push({ name: `${name}/report.html`, path: report });
    const log = joinPath(folder, LOG_FILE);
    if (await platform.exists(log)) files.push({ name: `${name}/${LOG_FILE}`, path: log });
    for (const { name: file, path } of rows) files.push(...(await rowFiles(platform, path, file, `${name}/rows`)));
    const merged = `${folder}.merged`;
    try {
      if (withMerged) {
        await tell(texts.use.merging);
        const baseModel = await modelFolder(fetching(tell), 'base', base);
        await mergeAdapter(platform, {
          baseModel,
          adapter: result,
          out: merged,
          dtype: 'base',
          overwrite: true,
          say: (text) => void tell(text),
        });
        files.push(...(await resultFiles(platform, merged, `${name}/merged`)));
      }
      return await writeArchive(platform, out, unique(files), (file) => void tell(texts.use.packing(file)));
    } finally {
      if (withMerged && (await platform.exists(merged))) await platform.remove(merged);
    }
  },

  /** @throws UserError where the hub refuses the token, the name or the files */
  async pushRun({ result, base, options, train, runName, repo, isPrivate }: PushRequest, tell: Tell): Promise<void> {
    const given = { ...options, base_model_hf: base, train_file: train, output_dir: result, run_name: runName };
    const pushed = { push_LoRA: true, lora_hub_repo: repo, hub_private_repo: isPrivate };
    const { options: all } = parseFor(trainProgram, { ...given, ...pushed });
    const say = (text: string): void => void tell(text);
    const context = { ...fetching(tell), options: all, say, warn: say };
    const pushing = await openPushing(context, await modelFolder(context, 'base', base));
    await pushing.result(result);
  },
};

function fetching(tell: Tell) {
  const terminal = { write: (text: string) => void tell(text), isTty: false, columns: 80 };
  return { platform, terminal, stop: new AbortController().signal, options: { report_to: ['jsonl' as const] } };
}

/** Pictures that rows of training and held-out ones share are packed once. */
function unique(files: readonly ArchiveFile[]): ArchiveFile[] {
  return [...new Map(files.map((file) => [file.name, file])).values()];
}
