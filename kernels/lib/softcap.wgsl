// cap * tanh(s / cap), Gemma's bounded logits. tanh of a small argument is a series: its exponential form cancels there, and the cap
// would multiply the lost digits. Large arguments are clamped before the exponential overflows.
fn softcap(s: f32, cap: f32) -> f32 {
  let x = s / cap;
  let x2 = x * x;
  let series = x * (1.0 + x2 * (-1.0 / 3.0 + x2 * (2.0 / 15.0 + x2 * (-17.0 / 315.0 + x2 * (62.0 / 2835.0)))));
  let e = exp(-2.0 * min(abs(x), 20.0));
  return cap * select(sign(x) * (1.0 - e) / (1.0 + e), series, abs(x) < 0.25);
}
