#!/usr/bin/env bash
# NIfTI: nibabel 5.4.2 and nifti-reader-js 0.8.0 disagree on which side is left, in files that state no orientation and in files that state two.
# Expected: one answer. For qform_code = sform_code = 0 the standard (nifti1.h, method 1) has x = pixdim[1] · i, without a change of sign; where both
# codes are set it leaves the choice to the program.
# Seen: without codes nibabel turns x around (its default_x_flip, "LAS") and nifti-reader-js does not. With a mirrored sform of code 1 beside a
# qform of code 2 nibabel takes the sform, and nifti-reader-js the qform, whose code is higher. Neither says a word.
# Why it matters: old Analyze files that were converted have no codes, and files that were registered or edited have two that differ. "In the left
# lung" is learnt as the right one when rows are made with one reader and shown or asked with the other.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check nibabel==5.4.2 2>/dev/null
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts nifti-reader-js@0.8.0
cat >make.py <<'PY'
import nibabel, numpy
voxels, spacing = numpy.zeros((2, 3, 4), 'int16'), [1, 2, 3, 1]
none = nibabel.Nifti1Image(voxels, None)
none.header.set_zooms(spacing[:3])
both = nibabel.Nifti1Image(voxels, None)
both.set_qform(numpy.diag(spacing), code=2)
both.set_sform(numpy.diag([-1, 2, 3, 1]), code=1)
for name, image in (('none', none), ('both', both)):
    nibabel.save(image, f'{name}.nii')
    read = nibabel.load(f'{name}.nii')
    print(name, int(read.header['qform_code']), int(read.header['sform_code']), *(f'{step:g}' for step in numpy.diag(read.affine)[:3]))
PY
env/bin/python make.py >python.txt
cat >show.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { readHeader } from 'nifti-reader-js';
let holds = true;
for (const line of readFileSync('python.txt', 'utf8').trim().split('\n')) {
  const [name, qform, sform, ...python] = line.split(' ');
  const { affine } = readHeader(Uint8Array.from(readFileSync(`${name}.nii`)).buffer);
  const seen = [0, 1, 2].map((axis) => String(affine[axis][axis]));
  console.log(`qform_code ${qform}, sform_code ${sform}: steps of i, j, k in mm: nibabel ${python.join(' ')}, nifti-reader-js ${seen.join(' ')}`);
  holds &&= python.join(' ') === '-1 2 3' && seen.join(' ') === '1 2 3';
}
console.log(holds ? 'As found.' : 'Changed since this was written.');
process.exit(holds ? 0 : 1);
JS
node show.mjs
