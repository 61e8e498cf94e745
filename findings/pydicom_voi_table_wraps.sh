#!/usr/bin/env bash
# pydicom 3.0.2: a VOI table of 8-bit entries with more than 256 of them is looked up at the remainder of 256.
# Expected: value 1000 of a 12-bit radiograph is shown as entry 1000 of its VOI LUT (PS3.3, C.11.2.1.1). 4096 entries of 8 bits are what CR, DX and MG have for
# 12-bit values and a screen.
# Seen: the index is held in the type of the entries, uint8: value 1000 is shown as entry 232. A ramp from black to white becomes sixteen ramps within
# the darkest sixteenth. With entries of 10 bits or more the same table is right. Nothing is said.
# Why it matters: apply_voi_lut is how radiographs are turned into pictures for training; of such files they are nearly black with contours, and no error tells.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pydicom==3.0.2 numpy==2.4.6 2>/dev/null
cat >show.py <<'PY'
import sys
import numpy
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_voi_lut
def shown(bits, values):
    table = Dataset()
    table.add_new(0x00283002, 'US', [4096, 0, bits])
    table.add_new(0x00283006, 'OW', (numpy.arange(4096) >> (12 - bits)).astype('<u2').tobytes())
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = '1.2.840.10008.1.2.1'
    ds.VOILUTSequence = [table]
    return apply_voi_lut(values, ds)
values = numpy.array([0, 100, 255, 256, 1000, 4095], 'uint16')
eight, ten = shown(8, values), shown(10, values)
print('values        ', values.tolist())
print('8-bit entries ', eight.tolist(), 'expected', (values >> 4).tolist())
print('10-bit entries', ten.tolist(), 'expected', (values >> 2).tolist())
holds = eight.tolist() == [0, 6, 15, 0, 14, 15] and ten.tolist() == (values >> 2).tolist()
print('As found.' if holds else 'Changed since this was written.')
sys.exit(0 if holds else 1)
PY
env/bin/python show.py
