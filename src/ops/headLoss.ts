/**
 * The language-model head and its loss in one op. Only tokens that carry a label meet the head, and a chunk of them at a time: a full
 * table of logits (4000 tokens × 152 k words × 4 bytes = 2.4 GB) never exists. As the loss is the end of the graph, each chunk is
 * turned into gradients while its logits are there, so nothing is computed twice (the idea of TRL's chunked cross entropy).
 */
import { assertShape, Tensor } from '../gpu/tensor.ts';
import { cellGroups, cellsOf } from './cells.ts';
import { matmulNN, matmulNT, matmulTN } from './matmul.ts';
import type { Parameter } from './parameter.ts';
import type { Tape } from './tape.ts';

/** The tokens of a micro-batch that carry a label (labels of −100 are left out beforehand). */
export interface LossTargets {
  /** How many; 0 is allowed. */
  count: number;
  /** (count) u32: the position that predicts the labelled token, that is one before it; no position twice. */
  rows: Tensor;
  /** (count) u32: the token to predict. */
  labels: Tensor;
  /** (count) f32: factors of the tokens' losses, and of their part in the number of right ones; absent: 1. */
  weights?: Tensor;
}

export interface HeadLossOptions {
  /** What the sum of −log p is multiplied by before it is differentiated: 1 / labelled tokens of the whole step. */
  lossScale: number;
  /** What the sum of −log p is multiplied by on its way into `lossSum` (default 1). */
  logScale?: number;
  /** (2) f32: the sum of −log p (times logScale) and the number of tokens whose most likely word was right are added to it. */
  lossSum: Tensor;
  /** (count) f32, written: −log p of each token, times its weight. */
  nll?: Tensor;
  /** Most bytes of logits at once, default 64 MiB; at least one row is taken. */
  chunkBytes?: number;
  /** logits = softcap · tanh(logits / softcap) (Gemma 2's final_logit_softcapping); 0 or absent: they stay. */
  softcap?: number;
}

const CHUNK_BYTES = 64 * 2 ** 20;

/**
 * (1) f32: lossScale · Σ −log p, from hidden (T, C) and head (V, C). With `t.grad` the gradients of hidden and of a trainable head are
 * computed here and now, of exactly this value: the gradient that `t.backward` is given for it is not looked at, so it must be the end
 * of the graph. A head's gradient is added to as soon as this is called.
 */
export async function headLoss(t: Tape, hidden: Tensor, head: Parameter, targets: LossTargets, options: HeadLossOptions): Promise<Tensor> {
  const { device } = t;
  const weight = head.tensor;
  const vocabulary = weight.shape[0]!;
  const size = weight.rowSize;
  const { count, rows, labels, weights } = targets;
  const { lossScale, lossSum, softcap } = options;
  assertShape(hidden, [hidden.shape[0]!, size], `hidden states for ${head.name}`);
  assertShape(lossSum, [2], 'lossSum');
  if (count > 0)
    for (const [name, tensor] of Object.entries({ rows, labels, ...(weights && { weights }) }))
      assertShape(tensor, [count], `loss targets, ${name}`);

  const needsGrad = t.grad && (hidden.requiresGrad || head.grad !== undefined);
  const loss = t.alloc([1]);
  const dhidden = t.grad && hidden.requiresGrad ? t.alloc(hidden.shape) : undefined;
  if (dhidden) device.clear(dhidden.view);
  if (count === 0) device.clear(loss.view);
  else {
    const nll = options.nll ?? t.alloc([count]);
    assertShape(nll, [count], 'nll');
    const correct = t.alloc([count]);
    const chunkRows = rowsAtOnce(count, vocabulary * 4, Math.min(device.maxBindingBytes, options.chunkBytes ?? CHUNK_BYTES));
    const logitsView = device.pool.acquire(chunkRows * vocabulary * 4, 'logits');
    const gathered = t.alloc([chunkRows, size]);
    const dgathered = dhidden && t.alloc([chunkRows, size]);
    const spec = { GRADIENT: needsGrad, SOFTCAP: Boolean(softcap), WEIGHTED: weights !== undefined };
    const cells = cellsOf(size);
    for (let start = 0; start < count; start += chunkRows) {
      const n = Math.min(chunkRows, count - start);
      const logits = new Tensor([n, vocabulary], 'f32', logitsView);
      const h = new Tensor([n, size], 'f32', gathered.view);
      const range = { start, count: n, size: size / cells.width };
      const groups = cellGroups(cells, n * size);
      t.dispatch(t.kernel('gather_rows', cells.spec), { x: hidden, rows, y: h }, range, groups);
      await byPart(head, (part) => matmulNT(device, h, weight, logits, part));
      t.dispatch(
        t.kernel('cross_entropy', spec),
        { labels, logits, nll, correct, weights: weights ?? labels },
        { start, rows: n, size: vocabulary, scale: lossScale, cap: softcap ?? 0 },
        n,
      );
      if (dhidden && dgathered) {
        const dh = new Tensor([n, size], 'f32', dgathered.view);
        await byPart(head, (part) => matmulNN(device, logits, weight, dh, part));
        t.dispatch(t.kernel('scatter_rows', cells.spec), { x: dh, rows, y: dhidden }, range, groups);
      }
      if (t.grad && head.grad) matmulTN(device, logits, h, head.grad);
    }
    t.dispatch(
      t.kernel('cross_entropy_sum'),
      { nll, correct, loss_sum: lossSum, loss },
      { count, scale: lossScale, log_scale: options.logScale ?? 1 },
      1,
    );
    device.pool.release(logitsView);
    for (const scratch of [gathered, dgathered, correct, options.nll ? undefined : nll]) if (scratch) t.free(scratch);
  }
  t.record(loss, needsGrad, () => {
    if (!dhidden) return;
    t.passGradient(hidden, dhidden);
    t.free(dhidden);
  });
  return loss;
}

/** (n, V) f32 logits of the positions `rows` (n) of hidden (T, C), or of all; not differentiable, for generation and tests. */
export async function headLogits(t: Tape, hidden: Tensor, head: Parameter, rows?: Tensor, softcap?: number): Promise<Tensor> {
  const vocabulary = head.tensor.shape[0]!;
  const size = head.tensor.rowSize;
  assertShape(hidden, [hidden.shape[0]!, size], `hidden states for ${head.name}`);
  const count = rows ? rows.size : hidden.shape[0]!;
  const logits = t.alloc([count, vocabulary]);
  if (count === 0) return logits;
  const h = rows ? t.alloc([count, size]) : hidden;
  if (rows) {
    const cells = cellsOf(size);
    const range = { start: 0, count, size: size / cells.width };
    t.dispatch(t.kernel('gather_rows', cells.spec), { x: hidden, rows, y: h }, range, cellGroups(cells, count * size));
  }
  await byPart(head, (part) => matmulNT(t.device, h, head.tensor, logits, part));
  if (softcap) {
    t.dispatch(t.kernel('cross_entropy_softcap'), { x: logits }, { size: logits.size, cap: softcap }, Math.ceil(logits.size / 256));
  }
  if (rows) t.free(h);
  return logits;
}

/** A product with the head: at once, or where its parts do not stay on the GPU, with one after the other. */
async function byPart({ tensor, elsewhere }: Parameter, product: (part: { part?: number }) => void): Promise<void> {
  if (!elsewhere) {
    product({});
    return;
  }
  for (const part of tensor.parts.keys()) {
    await elsewhere.arrive(part);
    product({ part });
  }
}

/** Rows of a chunk: as many as fit, the chunks of a batch as equal as can be. */
function rowsAtOnce(count: number, rowBytes: number, limit: number): number {
  const most = Math.max(1, Math.floor(limit / rowBytes));
  return Math.ceil(count / Math.ceil(count / most));
}
