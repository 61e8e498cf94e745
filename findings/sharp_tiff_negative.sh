#!/usr/bin/env bash
# sharp 0.35.5: the values below zero of a signed 16-bit TIFF come out as 0, also when signed numbers are asked for.
# Expected: the numbers of the file, as Pillow 12.3.0 gives them. metadata() says depth "short", and raw({ depth: 'short' }) is made for signed numbers.
# Seen: -1000 and -1 are 0 in grey16 with depth short, int and float alike; what is positive stays. Nothing is thrown.
# Why it matters: slices of CT are kept so, in Hounsfield units. Air (-1000) and fat (-100) become water (0), lung and fat cannot be told from it, and
# windowing afterwards does not bring them back.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pillow==12.3.0 2>/dev/null
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts sharp@0.35.5
cat >make.py <<'PY'
import struct
from PIL import Image
values = [-1000, -100, -1, 0, 40, 3000]
data = struct.pack('<6h', *values)
tags = [(256, 6), (257, 1), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, len(data)), (339, 2)]  # 339: samples are signed
with open('slice.tif', 'wb') as file:
    file.write(b'II*\0' + struct.pack('<I', 8 + len(data)) + data + struct.pack('<H', len(tags)))
    file.write(b''.join(struct.pack('<HHIHH', tag, 3, 1, value, 0) for tag, value in tags) + bytes(4))
print('Pillow        ', *Image.open('slice.tif').get_flattened_data())
PY
env/bin/python make.py
cat >show.mjs <<'JS'
import sharp from 'sharp';
let holds = (await sharp('slice.tif').metadata()).depth === 'short';
for (const [depth, Numbers] of [['short', Int16Array], ['int', Int32Array], ['float', Float32Array]]) {
  const bytes = await sharp('slice.tif').toColourspace('grey16').raw({ depth }).toBuffer();
  const seen = new Numbers(Uint8Array.from(bytes).buffer).join(' ');
  console.log(`sharp, ${depth.padEnd(8)}${seen}`);
  holds &&= seen === '0 0 0 0 40 3000';
}
console.log(holds ? 'As found.' : 'Changed since this was written.');
process.exit(holds ? 0 : 1);
JS
node show.mjs
