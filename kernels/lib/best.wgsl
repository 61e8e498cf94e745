// Largest value over a workgroup of WG invocations (a power of two) and where it is; of equal ones the lowest index, as torch.argmax has
// it.
struct Best { value: f32, index: u32 }
var<workgroup> best_value: array<f32, WG>;
var<workgroup> best_index: array<u32, WG>;

fn better(a: Best, b: Best) -> Best {
  if (b.value > a.value || (b.value == a.value && b.index < a.index)) { return b; }
  return a;
}

fn workgroup_best(mine: Best, lane: u32) -> Best {
  best_value[lane] = mine.value;
  best_index[lane] = mine.index;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      let winner = better(Best(best_value[lane], best_index[lane]), Best(best_value[lane + half], best_index[lane + half]));
      best_value[lane] = winner.value;
      best_index[lane] = winner.index;
    }
    workgroupBarrier();
  }
  let result = Best(best_value[0], best_index[0]);
  workgroupBarrier();
  return result;
}
