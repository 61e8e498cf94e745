/** A float32 NIfTI-1 file; voxel (i, j, k) holds i + 100 j + 10000 k. @param units xyzt_units: 1 m, 2 mm, 3 µm, and what it says of time */
export function niftiFile(shape: [number, number, number], zooms: [number, number, number], units = 2): Uint8Array {
  const [ni, nj, nk] = shape;
  const bytes = new Uint8Array(352 + ni * nj * nk * 4);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, 348, true);
  [3, ni, nj, nk].forEach((size, i) => view.setInt16(40 + 2 * i, size, true));
  view.setInt16(70, 16, true);
  view.setInt16(72, 32, true);
  [1, ...zooms].forEach((zoom, i) => view.setFloat32(76 + 4 * i, zoom, true));
  view.setFloat32(108, 352, true);
  view.setUint8(123, units);
  view.setFloat32(112, 1, true);
  bytes.set(new TextEncoder().encode('n+1'), 344);
  for (let k = 0, at = 352; k < nk; k++)
    for (let j = 0; j < nj; j++) for (let i = 0; i < ni; i++, at += 4) view.setFloat32(at, i + 100 * j + 10000 * k, true);
  return bytes;
}
