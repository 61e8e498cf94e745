#!/usr/bin/env bash
# geotiff 3.0.5: big-endian TIFF with a predictor (2, horizontal differences, or 3, of floating-point numbers) is read as other numbers.
# Expected: the numbers of the file, as tifffile 2026.3.3 gives them, and libtiff (Pillow 12.3.0) those that it reads. TIFF 6.0, section 14: differences are of samples, so a
#   big-endian file's bytes are swapped before they are summed up; Adobe's technical note 3 (predictor 3) has the highest byte first in either order.
# Seen: differences of 16 and 32 bits are summed up in the machine's order and only then read as big endian; floats come out with their bytes turned.
#   Little-endian files, and big-endian ones without a predictor, are right. Nothing is thrown.
# Why it matters: ImageJ and microscopes write big endian, and LZW or deflate with a predictor is what libtiff-based tools save them again with. A CT of
#   -1000 to 3000 HU looks like noise where rows have a step, and is nearly right where they have none: a measure or a mask is silently wrong.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check tifffile==2026.3.3 imagecodecs==2026.3.6 numpy pillow==12.3.0 2>/dev/null
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts geotiff@3.0.5
cat >make.py <<'PY'
import numpy, tifffile
from PIL import Image
hounsfield = numpy.array([[-1000, -1000, -400, 40, 300, 3000]], 'int16')
for name, values, predictor in (('int16', hounsfield, 2), ('float32', hounsfield.astype('float32') / 8, 3)):
    for order, word in (('<', 'little'), ('>', 'big')):
        path = f'{name}_{word}.tif'
        tifffile.imwrite(path, values, byteorder=order, compression='zlib', predictor=predictor, metadata=None, photometric='minisblack')
        assert (tifffile.imread(path) == values).all()
# libtiff agrees, in Pillow: without signs, which Pillow does not read here.
tifffile.imwrite('unsigned.tif', hounsfield.astype('uint16'), byteorder='>', compression='zlib', predictor=2, metadata=None, photometric='minisblack')
assert (numpy.asarray(Image.open('unsigned.tif')) == hounsfield.astype('uint16')).all()
print('the file      ', *hounsfield[0])
PY
env/bin/python make.py
cat >show.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { fromArrayBuffer } from 'geotiff';
const read = async (name) => {
  const bytes = readFileSync(name);
  const tiff = await fromArrayBuffer(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  return [...(await (await tiff.getImage()).readRasters())[0]].map((value) => (name.startsWith('float') ? value * 8 : value)).join(' ');
};
const wanted = '-1000 -1000 -400 40 300 3000';
const seen = {};
for (const name of ['int16_little', 'int16_big', 'float32_little', 'float32_big']) {
  seen[name] = await read(`${name}.tif`);
  console.log(`${name.padEnd(15)}${seen[name]}`);
}
const holds = seen.int16_little === wanted && seen.float32_little === wanted && seen.int16_big !== wanted && seen.float32_big !== wanted;
console.log(holds ? 'As found.' : 'Changed since this was written.');
process.exit(holds ? 0 : 1);
JS
node show.mjs
