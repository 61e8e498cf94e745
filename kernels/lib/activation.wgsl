// Activation functions and their derivatives; ACTIVATION picks one: 0 silu, 1 gelu_tanh, 2 gelu (exact), 3 quick_gelu.
// Arguments of exp are clamped where the result no longer changes: WGSL promises nothing about infinities.
// `Cell` is the kernel's: f32, or vec4f for four values at once, which is why branches are selections.
fn sigmoid(v: Cell) -> Cell {
  return 1.0 / (1.0 + exp(clamp(-v, Cell(-87.0), Cell(87.0))));
}

// 0.5 * (1 + tanh(u)) is sigmoid(2u), which also keeps the digits that 1 + tanh loses to cancellation. Past 20 it is 0 or 1.
fn gelu_tanh_gate(v: Cell) -> Cell {
  let x = clamp(v, Cell(-20.0), Cell(20.0));
  return sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x));
}

// The normal distribution function. WGSL has no erf; these are the float32 polynomials of Cephes (ndtrf.c): erf near zero, erfc by its
// asymptotic form from |v|/√2 = 1 on. Error against float64 up to 1.2e-7 absolute, and small relative to the value in the left tail.
fn normal_cdf(v: Cell) -> Cell {
  let z = clamp(v, Cell(-12.7), Cell(12.7)) * 0.7071067811865476;
  let a = abs(z);
  let square = z * z;
  var erf = Cell(7.853861353153693e-5);
  erf = erf * square - 8.010193625184903e-4;
  erf = erf * square + 5.188327685732524e-3;
  erf = erf * square - 2.685381193529856e-2;
  erf = erf * square + 1.128358514861418e-1;
  erf = erf * square - 3.761262582423300e-1;
  erf = erf * square + 1.128379165726710;
  let q = 1.0 / max(a, Cell(1.0));
  let w = q * q;
  var near = Cell(2.326819970068386e-2);
  near = near * w - 1.387039388740657e-1;
  near = near * w + 3.687424674597105e-1;
  near = near * w - 5.824733027278666e-1;
  near = near * w + 6.210004621745983e-1;
  near = near * w - 4.944515323274145e-1;
  near = near * w + 3.404879937665872e-1;
  near = near * w - 2.741127028184656e-1;
  near = near * w + 5.638259427386472e-1;
  var far = Cell(-1.047766399936249e+1);
  far = far * w + 1.297719955372516e+1;
  far = far * w - 7.495518717768503;
  far = far * w + 2.921019019210786;
  far = far * w - 1.015265279202700;
  far = far * w + 4.218463358204948e-1;
  far = far * w - 2.820767439740514e-1;
  far = far * w + 5.641895067754075e-1;
  let tail = 0.5 * exp(-a * a) * q * select(far, near, a < Cell(2.0));
  let outside = select(tail, 1.0 - tail, z > Cell(0.0));
  return select(outside, 0.5 + 0.5 * z * erf, a < Cell(1.0));
}

fn activate(v: Cell) -> Cell {
  if (ACTIVATION == 0u) { return v * sigmoid(v); }
  if (ACTIVATION == 1u) { return v * gelu_tanh_gate(v); }
  if (ACTIVATION == 2u) { return v * normal_cdf(v); }
  return v * sigmoid(1.702 * clamp(v, Cell(-51.0), Cell(51.0)));
}

// v times s(1 - s) is clamped too: it is 0 there, and a huge v would make it infinity times 0.
fn activate_derivative(v: Cell) -> Cell {
  if (ACTIVATION == 0u) {
    let s = sigmoid(v);
    return s + clamp(v, Cell(-87.0), Cell(87.0)) * s * (1.0 - s);
  }
  if (ACTIVATION == 1u) {
    let s = gelu_tanh_gate(v);
    let x = clamp(v, Cell(-20.0), Cell(20.0));
    return s + x * s * (1.0 - s) * 1.5957691216057308 * (1.0 + 0.134145 * x * x);
  }
  if (ACTIVATION == 2u) {
    let x = clamp(v, Cell(-12.7), Cell(12.7));
    return normal_cdf(v) + x * 0.3989422804014327 * exp(-0.5 * x * x);
  }
  let x = 1.702 * clamp(v, Cell(-51.0), Cell(51.0));
  let s = sigmoid(x);
  return s + x * s * (1.0 - s);
}
