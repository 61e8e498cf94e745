#!/usr/bin/env bash
# Pillow 12.3.0: a compressed TIFF of 32-bit floating-point numbers in big-endian order is read with the bytes of each number turned round.
# Expected: the numbers of the file, as tifffile 2026.3.3 gives them, and as Pillow itself gives them where the same file is not compressed.
# Seen: with LZW or deflate, -125 becomes 8.99e-41. libtiff has turned the bytes already when it unpacks, and Pillow turns them again; of 16-bit
#   integers it does not. Little-endian files are right. Nothing is thrown.
# Why it matters: doses, SUV, T1 and quantitative maps are saved so; ImageJ writes big endian. Every value becomes nearly 0, and the picture of
#   convert('RGB') is black: a model is trained on black pictures without a word.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check tifffile==2026.3.3 imagecodecs==2026.3.6 numpy pillow==12.3.0 2>/dev/null
cat >show.py <<'PY'
import numpy, sys, tifffile
from PIL import Image
values = numpy.array([[-125, -50, 5, 37.5, 375]], 'float32')
seen = {}
for method in (None, 'zlib', 'lzw'):
    for order, word in (('<', 'little'), ('>', 'big')):
        tifffile.imwrite('map.tif', values, byteorder=order, compression=method, metadata=None, photometric='minisblack')
        assert (tifffile.imread('map.tif') == values).all()
        found = numpy.asarray(Image.open('map.tif'))
        seen[method, word] = (found == values).all()
        print(f'{method or "uncompressed":13}{word:7}', *found[0])
wrong = [key for key, is_right in seen.items() if not is_right]
holds = wrong == [('zlib', 'big'), ('lzw', 'big')]
print('As found.' if holds else 'Changed since this was written.')
sys.exit(not holds)
PY
env/bin/python show.py
