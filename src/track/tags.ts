/**
 * loss → train/loss, eval_loss → eval/loss: the names of Hugging Face's callbacks (`rewrite_logs` in transformers), so that runs of both
 * lie in one chart.
 */
export function tagOf(key: string): string {
  for (const split of ['eval', 'test']) if (key.startsWith(`${split}_`)) return `${split}/${key.slice(split.length + 1)}`;
  return `train/${key}`;
}
