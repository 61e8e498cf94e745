#!/usr/bin/env bash
# nibabel 5.4.2: whole numbers that the header's type holds exactly are saved as other numbers when the array has another type.
# Expected: labels 0, 1, 2, 3, 47 and 116 in a file of 16-bit integers are read back as they are, or saving says that it can't.
# Seen: saved from float64 under a header of int16, they are read as 1.00008, 2.00015, 3.00023 …: saving spreads the range of the array over that
# of the type and writes a slope. No voxel equals 1 any more, 116 cast to an integer is 115, and nothing is said. From int16 they stay exact.
# Why it matters: get_fdata() gives float64 and the header of the scan is the nearest at hand, so this is how masks are usually written. Training on
# `mask == 1` then finds nothing, and an area or a volume measured from a label is zero.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check nibabel==5.4.2 numpy==2.4.6 2>/dev/null
cat >show.py <<'PY'
import sys, warnings
import nibabel, numpy
scan = nibabel.Nifti1Image(numpy.zeros((2, 3, 1), 'int16'), numpy.eye(4))
nibabel.save(scan, 'scan.nii')
scan = nibabel.load('scan.nii')
labels = numpy.array([0, 1, 2, 3, 47, 116]).reshape(2, 3, 1)
holds = True
for kind, hits, last in (('float64', 0, 115), ('int16', 1, 116)):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter('always')
        nibabel.save(nibabel.Nifti1Image(labels.astype(kind), scan.affine, scan.header), 'mask.nii')
        mask = nibabel.load('mask.nii')
        values = mask.get_fdata()
    print(f'saved from {kind:7} as {mask.get_data_dtype()}: read {[float(f"{v:.6g}") for v in values.ravel()]}, voxels that equal 1: {(values == 1).sum()}, '
          f'116 as an integer: {values.astype(int).max()}, warnings: {len(told)}')
    holds &= (values == 1).sum() == hits and values.astype(int).max() == last and not told and mask.get_data_dtype() == 'int16'
print('As found.' if holds else 'Changed since this was written.')
sys.exit(0 if holds else 1)
PY
env/bin/python show.py
