#!/usr/bin/env bash
# imagecodecs 2026.3.6 (libjpeg-turbo 3.1.3): lossless JPEG of YCbCr samples comes back as other pixels.
# Expected: jpeg8_decode of jpeg8_encode(lossless=True) gives the samples that went in, as with RGB; DICOM's YBR_FULL is stored so (PS3.5, 8.2.1, process 14).
# Seen: 1.6 % of the samples are the same. Two Huffman tables are written, table 1 for both chrominances, but the scan header names table 0 for every component
# (ISO 10918-1, B.2.3: Td), so no decoder that follows the standard reads what was written; imagecodecs' own jpegsof3_decode, which takes the tables in their order, does.
# No error on either side.
# Why it matters: an archive compressed "losslessly" is lost, and whoever reads it trains on noise.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check imagecodecs==2026.3.6 numpy==2.4.6 2>/dev/null
cat >show.py <<'PY'
import sys
import imagecodecs, numpy
samples = numpy.random.RandomState(0).randint(0, 256, (16, 16, 3)).astype('uint8')
def tried(space):
    stream = imagecodecs.jpeg8_encode(samples, lossless=True, predictor=1, colorspace=space, outcolorspace=space)
    scan = stream.index(b'\xff\xda')
    tables = [stream[scan + 6 + 2 * i] >> 4 for i in range(3)]
    same = {
        'jpeg8_decode': float((imagecodecs.jpeg8_decode(stream, colorspace=space, outcolorspace=space) == samples).mean()),
        'jpegsof3_decode': float((imagecodecs.jpegsof3_decode(stream) == samples).mean()),
    }
    print(f'{space:5} Huffman tables written {stream.count(bytes([0xff, 0xc4]))}, named by the scan {tables}, same samples {same}')
    return same
rgb, ycbcr = tried('rgb'), tried('ycbcr')
holds = rgb['jpeg8_decode'] == 1 and ycbcr['jpeg8_decode'] < 0.1 and ycbcr['jpegsof3_decode'] == 1
print('As found.' if holds else 'Changed since this was written.')
sys.exit(0 if holds else 1)
PY
env/bin/python show.py
