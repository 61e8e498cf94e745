/** `--merge_model` and `--merge_only`: the adapter a run has left becomes part of its base model. */
import { checkMergeOutput, mergeAdapter } from '../../train/merge.ts';
import { listCheckpoints } from '../../train/checkpointFolder.ts';
import { countOf, joinPath, UserError } from '../../platform.ts';
import type { Options } from '../../options.ts';
import { quantizationOf } from '../../options/quantization.ts';
import type { RunContext } from '../context.ts';

/** Where the merged model goes. */
function mergedModelDir({ merged_model_dir: given, output_dir: run, run_name: name }: Options): string {
  return given === null ? `${run.replace(/\/+$/, '')}_merged` : given.replaceAll('{run_name}', name);
}

/** Before training: what would make the merge after it fail. @param base folder of the base model */
export async function checkMerging({ platform, options }: RunContext, base: string): Promise<void> {
  await checkMergeOutput(platform, {
    baseModel: base,
    adapter: options.output_dir,
    out: mergedModelDir(options),
    overwrite: options.overwrite,
  });
}

/**
 * Merges an adapter folder into the base and says so.
 * @returns the merged model's folder; undefined where Ctrl-C stopped it, which leaves nothing
 */
export async function mergeInto(
  { platform, options, stop, say, terminal }: RunContext,
  base: string,
  adapter: string,
): Promise<string | undefined> {
  const out = mergedModelDir(options);
  say(`Merging ${adapter} into ${base}.`);
  const startedAt = Date.now();
  let toldAt = startedAt;
  try {
    const { files, bytes, untied, warnings } = await mergeAdapter(platform, {
      baseModel: base,
      adapter,
      out,
      dtype: options.merged_dtype,
      overwrite: options.overwrite,
      trained: quantizationOf(options),
      dequantised: options.merge_base === 'dequantised',
      stop,
      say: (text) => terminal.write(`${text}\n`),
      onProgress(done, total) {
        if (Date.now() - toldAt < 10_000) return;
        toldAt = Date.now();
        say(`  ${Math.round((100 * done) / total)} % of ${gigabytes(total)}`);
      },
    });
    // Told even where figures are not wanted: what is wrong with a model must not be missed.
    for (const warning of warnings) terminal.write(`Warning: ${warning}\n`);
    if (untied) say('The head was trained apart from the embedding: the merged config.json has tie_word_embeddings false.');
    say(`Merged model: ${out} (${countOf(files, 'file')}, ${gigabytes(bytes)}, ${((Date.now() - startedAt) / 1000).toFixed(1)} s).`);
    return out;
  } catch (error) {
    if (!stop.aborted) throw error;
    terminal.write(`Stopped: nothing is written to ${out}; the adapter ${adapter} stands.\n`);
    return undefined;
  }
}

/** The adapter that `--merge_only` means: that of `--init_adapter`, else the result of the run's folder, else its last checkpoint. */
export async function findAdapter({ platform, options, say }: RunContext): Promise<string> {
  if (options.init_adapter !== null) return options.init_adapter;
  const dir = options.output_dir;
  const hasFile = async (folder: string): Promise<boolean> =>
    (await platform.exists(joinPath(folder, 'adapter_config.json'))) || (await platform.exists(joinPath(folder, 'config.json')));
  if (await hasFile(dir)) return dir;
  const last = (await listCheckpoints(platform, dir)).at(-1);
  if (last !== undefined) {
    say(`${dir} has no result yet; its last checkpoint, ${last.name}, is merged.`);
    return joinPath(dir, last.name);
  }
  throw new UserError(`--merge_only true: ${dir} holds no adapter; give the folder of one as --output_dir or --init_adapter.`);
}

function gigabytes(bytes: number): string {
  return bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
