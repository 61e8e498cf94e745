#!/usr/bin/env bash
# pydicom 3.0.2: the offset of an indirect segment in a segmented palette of 16 bits is taken for a number of words, twice too far.
# Expected: "the byte offset is relative to the beginning of the lookup table" (PS3.3, C.7.9.2.3): byte 8 of a table of 16-bit words is its fifth word.
# Seen: apply_color_lut reads on at the ninth word, which is the middle of another segment. The palette has another length than its descriptor says, and colours are
# another's, or indexing ends in an IndexError. Palettes of 8 bits are right, as byte and entry are the same there.
# Why it matters: ultrasound and nuclear medicine come with such palettes; false colours are false measurements where colour is speed or dose.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pydicom==3.0.2 numpy==2.4.6 2>/dev/null
cat >show.py <<'PY'
import sys
import numpy
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_color_lut
# Two entries; six on a line up to 600; one segment again, from byte 8 (the line); two entries: 2 + 6 + 6 + 2.
words = [0, 2, 0, 0, 1, 6, 600, 2, 1, 8, 0, 0, 2, 7, 9]
def palette(data):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = '1.2.840.10008.1.2.1'
    for number, name in enumerate(('Red', 'Green', 'Blue')):
        ds.add_new(0x00281101 + number, 'US', [16, 0, 16])
        ds.add_new(0x00281221 + number, 'OW', numpy.array(data, '<u2').tobytes())
    ds.PhotometricInterpretation = 'PALETTE COLOR'
    return ds
expected = [0, 0, 100, 200, 300, 400, 500, 600] + [600] * 6 + [7, 9]
def entries(data):
    try:
        return apply_color_lut(numpy.arange(16, dtype='uint16').reshape(4, 4), palette(data))[..., 0].ravel().tolist()
    except Exception as error:
        return f'{type(error).__name__}: {error}'
bytewise = entries(words)
wordwise = entries([*words[:9], 4, *words[10:]])
print('expected          ', expected)
print('offset in bytes, 8', bytewise)
print('offset in words, 4', wordwise)
holds = bytewise != expected and wordwise == expected
print('As found.' if holds else 'Changed since this was written.')
sys.exit(0 if holds else 1)
PY
env/bin/python show.py
