#!/usr/bin/env bash
# Pillow 12.3.0: convert('RGB') of a 16-bit grey PNG cuts off at 255, so that an X-ray turns white; of a 16-bit colour PNG it keeps the high byte.
# Expected: the range of 16 bits brought down to 8, as the PNG standard describes for reducing the sample depth, as Pillow itself does with colour, and
# as OpenCV 5.0.0 and sharp 0.35.5 do with grey.
# Seen: every value above 255 becomes 255. Of the 4096 levels of a 12-bit picture 94 % are white. Floating-point greys from 0 to 1 become black.
# Nothing is said (Pillow#3011).
# Why it matters: transformers' load_image and the processors behind it call convert('RGB'). X-rays, CT slices and depth maps stored in 16 bits are
# trained on as white pictures with a few dark spots, and the loss falls all the same.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pillow==12.3.0 opencv-python-headless==5.0.0.93 2>/dev/null
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts sharp@0.35.5
cat >show.py <<'PY'
import sys
import cv2, numpy
from PIL import Image
levels = numpy.arange(4096, dtype='uint16').reshape(64, 64) * 16  # a 12-bit picture, as scanners store it in the high bits
Image.fromarray(levels // 16).save('low.png')                     # and in the low ones
cv2.imwrite('grey.png', levels)
cv2.imwrite('colour.png', numpy.stack([levels] * 3, -1))
red = lambda name: numpy.asarray(Image.open(name).convert('RGB'))[..., 0]
white = lambda pixels: float((pixels == 255).mean() * 100)
unit = numpy.asarray(Image.fromarray(numpy.linspace(0, 0.99, 100, dtype='float32').reshape(10, 10)).convert('RGB'))
print(f'white pixels, %: Pillow, grey, low bits {white(red("low.png")):.1f}; grey, high bits {white(red("grey.png")):.1f}; colour {white(red("colour.png")):.1f}; '
      f'OpenCV, grey {white(cv2.imread("grey.png")[..., 0]):.1f}; largest byte of floating-point greys below 1: {unit.max()}')
holds = round(white(red('low.png')), 1) == 93.8 and white(red('grey.png')) > 99 and unit.max() == 0
holds &= white(red('colour.png')) < 1 and white(cv2.imread('grey.png')) < 1
sys.exit(0 if holds else 1)
PY
cat >show.mjs <<'JS'
import sharp from 'sharp';
const pixels = await sharp('grey.png').removeAlpha().toColourspace('srgb').raw().toBuffer();
const white = (100 * pixels.filter((value) => value === 255).length) / pixels.length;
console.log(`                 sharp, grey ${white.toFixed(1)}`);
process.exit(white < 1 ? 0 : 1);
JS
changed=0
env/bin/python show.py || changed=1
node show.mjs || changed=1
[ "$changed" = 0 ] && echo 'As found.' || { echo 'Changed since this was written.'; exit 1; }
