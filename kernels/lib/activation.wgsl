// Activation functions and their derivatives; ACTIVATION picks one: 0 silu, 1 gelu_tanh, 2 gelu (exact), 3 quick_gelu.
// Arguments of exp are clamped where the result no longer changes: WGSL promises nothing about infinities.
fn sigmoid(v: f32) -> f32 {
  return 1.0 / (1.0 + exp(clamp(-v, -87.0, 87.0)));
}

// 0.5 * (1 + tanh(u)) is sigmoid(2u), which also keeps the digits that 1 + tanh loses to cancellation. Past 20 it is 0 or 1.
fn gelu_tanh_gate(v: f32) -> f32 {
  let x = clamp(v, -20.0, 20.0);
  return sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x));
}

// The normal distribution function. WGSL has no erf; these are the float32 polynomials of Cephes (ndtrf.c): erf near zero, erfc by its
// asymptotic form from |v|/√2 = 1 on. Error against float64 up to 1.2e-7 absolute, and small relative to the value in the left tail.
fn normal_cdf(v: f32) -> f32 {
  let z = clamp(v, -12.7, 12.7) * 0.7071067811865476;
  let a = abs(z);
  if (a < 1.0) {
    let w = z * z;
    var erf = 7.853861353153693e-5;
    erf = erf * w - 8.010193625184903e-4;
    erf = erf * w + 5.188327685732524e-3;
    erf = erf * w - 2.685381193529856e-2;
    erf = erf * w + 1.128358514861418e-1;
    erf = erf * w - 3.761262582423300e-1;
    erf = erf * w + 1.128379165726710;
    return 0.5 + 0.5 * z * erf;
  }
  let q = 1.0 / a;
  let w = q * q;
  var r: f32;
  if (a < 2.0) {
    r = 2.326819970068386e-2;
    r = r * w - 1.387039388740657e-1;
    r = r * w + 3.687424674597105e-1;
    r = r * w - 5.824733027278666e-1;
    r = r * w + 6.210004621745983e-1;
    r = r * w - 4.944515323274145e-1;
    r = r * w + 3.404879937665872e-1;
    r = r * w - 2.741127028184656e-1;
    r = r * w + 5.638259427386472e-1;
  } else {
    r = -1.047766399936249e+1;
    r = r * w + 1.297719955372516e+1;
    r = r * w - 7.495518717768503;
    r = r * w + 2.921019019210786;
    r = r * w - 1.015265279202700;
    r = r * w + 4.218463358204948e-1;
    r = r * w - 2.820767439740514e-1;
    r = r * w + 5.641895067754075e-1;
  }
  let tail = 0.5 * exp(-a * a) * q * r;
  return select(tail, 1.0 - tail, z > 0.0);
}

fn activate(v: f32) -> f32 {
  if (ACTIVATION == 0u) { return v * sigmoid(v); }
  if (ACTIVATION == 1u) { return v * gelu_tanh_gate(v); }
  if (ACTIVATION == 2u) { return v * normal_cdf(v); }
  return v * sigmoid(1.702 * clamp(v, -51.0, 51.0));
}

// v times s(1 - s) is clamped too: it is 0 there, and a huge v would make it infinity times 0.
fn activate_derivative(v: f32) -> f32 {
  if (ACTIVATION == 0u) {
    let s = sigmoid(v);
    return s + clamp(v, -87.0, 87.0) * s * (1.0 - s);
  }
  if (ACTIVATION == 1u) {
    let s = gelu_tanh_gate(v);
    let x = clamp(v, -20.0, 20.0);
    return s + x * s * (1.0 - s) * 1.5957691216057308 * (1.0 + 0.134145 * x * x);
  }
  if (ACTIVATION == 2u) {
    let x = clamp(v, -12.7, 12.7);
    return normal_cdf(v) + x * 0.3989422804014327 * exp(-0.5 * x * x);
  }
  let x = 1.702 * clamp(v, -51.0, 51.0);
  let s = sigmoid(x);
  return s + x * s * (1.0 - s);
}
