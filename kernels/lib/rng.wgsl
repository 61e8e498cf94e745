// Counter-based random numbers: the same (seed, stream, step, index) gives the same bits, whatever was drawn before. PCG's output
// permutation as a hash (Jarzynski & Olano, JCGT 2020); src/data/random.ts is its twin.
fn pcg(v: u32) -> u32 {
  let state = v * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

fn counter_hash(seed: u32, stream: u32, step: u32, index: u32) -> u32 {
  return pcg(index ^ pcg(step ^ pcg(stream ^ pcg(seed))));
}

// 1/(1-rate) where the element is kept, 0 where it is dropped; rate in [0, 1).
fn dropout_scale(key: u32, index: u32, rate: f32) -> f32 {
  let uniform01 = f32(pcg(index ^ key) >> 8u) * (1.0 / 16777216.0);
  return select(0.0, 1.0 / (1.0 - rate), uniform01 >= rate);
}

// pcg chain over (seed, stream, step): the part of counter_hash that is the same for a whole dispatch.
fn counter_key(seed: u32, stream: u32, step: u32) -> u32 {
  return pcg(step ^ pcg(stream ^ pcg(seed)));
}
