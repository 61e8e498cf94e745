#!/usr/bin/env bash
# nibabel 5.4.2: the voxel spacing of a NIfTI file whose header says metres or microns comes back as it is stored, with no word about the unit.
# Expected: millimetres, the unit that affine and zooms are taken for everywhere, or a warning: the header has a field for it (xyzt_units).
# Seen: zooms and affine of 0.001 for a voxel of 1 mm stored in metres, of 1000 for one stored in microns; get_xyzt_units() is a call of its own.
# Why it matters: distances and sizes measured with header.get_zooms() are wrong by a factor of 1000, and nothing in the usual path of reading says so.
# Micro-CT and microscopy volumes are the ones that are stored so.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check nibabel==5.4.2 2>/dev/null
cat >show.py <<'PY'
import sys, warnings
import nibabel, numpy
holds = True
for unit, stored in (('mm', 1.0), ('meter', 0.001), ('micron', 1000.0)):
    image = nibabel.Nifti1Image(numpy.zeros((4, 4, 4), 'i2'), numpy.diag([stored, stored, stored, 1]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, f'{unit}.nii')
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter('always')
        read = nibabel.load(f'{unit}.nii')
        zooms, scale = read.header.get_zooms(), read.affine[0, 0]
    print(f'a voxel of 1 mm, stored in {unit:7}: zooms {zooms[0]:g}, affine {scale:g}, warnings {len(told)}, unit in the header {read.header.get_xyzt_units()[0]}')
    holds &= abs(zooms[0] - stored) < 1e-6 and not told
print('As found.' if holds else 'Changed since this was written.')
sys.exit(0 if holds else 1)
PY
env/bin/python show.py
