#!/usr/bin/env bash
# sharp 0.35.5 repeats the halved colour of an AVIF (4:2:0) over two pixels, Pillow 12.3.0 interpolates it, and so does sharp itself for JPEG.
# Expected: the same pixels from the same file, give or take a level, as both give for JPEG and for AVIF with whole colour (4:4:4). The AV1 standard leaves
# to the decoder how colour is brought back to full size.
# Seen: at the edge between two colours of one brightness 44 levels of 255 lie between the two libraries' blue, in AVIF with 4:2:0 only.
# Why it matters: 4:2:0 is what most cameras and web exports write. A model that was trained on Pillow's pixels gets others in JavaScript along every
# coloured edge, and a test that compares JPEG and PNG only doesn't show it. On pictures with fine colour the distance is larger still.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pillow==12.3.0 numpy==2.4.6 2>/dev/null
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts sharp@0.35.5
cat >make.py <<'PY'
import numpy
from PIL import Image
columns = numpy.arange(64)
stripes = numpy.where((columns // 8 % 2 == 0)[:, None], (128, 145, 39), (128, 111, 217)).astype('uint8')  # one brightness, two colours
picture = Image.fromarray(numpy.tile(stripes, (64, 1, 1)))
for name, subsampling in (('420.avif', '4:2:0'), ('444.avif', '4:4:4'), ('420.jpg', '4:2:0')):
    picture.save(name, quality=100, subsampling=subsampling)
    numpy.asarray(Image.open(name).convert('RGB')).tofile(f'{name}.rgb')
PY
env/bin/python make.py
cat >show.mjs <<'JS'
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
let holds = true;
for (const [name, isFar] of [['444.avif', false], ['420.jpg', false], ['420.avif', true]]) {
  const pillow = readFileSync(`${name}.rgb`);
  const seen = await sharp(name).removeAlpha().raw().toBuffer();
  const distance = seen.reduce((largest, value, i) => Math.max(largest, Math.abs(value - pillow[i])), 0);
  const blue = (pixels) => [5, 6, 7, 8, 9, 10].map((column) => String(pixels[3 * (32 * 64 + column) + 2]).padStart(3)).join(' ');
  console.log(`${name}: blue across an edge: Pillow ${blue(pillow)}, sharp ${blue(seen)}; largest distance ${distance}`);
  holds &&= seen.length === pillow.length && (isFar ? distance >= 40 : distance <= 4);
}
console.log(holds ? 'As found.' : 'Changed since this was written.');
process.exit(holds ? 0 : 1);
JS
node show.mjs
