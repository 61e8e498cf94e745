"""
Where voxels lie, by nibabel: headers with sform, qform, both or neither, in both versions and byte orders, with the affine, the axis codes
and the closest canonical volume. Writes niftiSpace.json beside it.

  python test/golden/nifti_space.py       (nibabel 5, numpy)
"""
import base64
import json
import pathlib

import nibabel as nib
import numpy as np
from nibabel.orientations import aff2axcodes

random = np.random.default_rng(7)


def rotation():
    q, _ = np.linalg.qr(random.normal(size=(3, 3)))
    return q


def affine(kind):
    zooms = random.uniform(0.3, 5, 3)
    if kind == "axes":
        turned = np.eye(3)[random.permutation(3)] * random.choice([-1, 1], 3)
    elif kind == "oblique":
        small, _ = np.linalg.qr(np.eye(3)[random.permutation(3)] + random.normal(scale=0.15, size=(3, 3)))
        turned = small
    else:
        turned = rotation()
    out = np.eye(4)
    out[:3, :3] = turned * zooms
    out[:3, 3] = random.uniform(-200, 200, 3)
    return out


cases = []
for number in range(60):
    kind = ["axes", "oblique", "any"][number % 3]
    codes = [(1, 0), (0, 1), (1, 2), (2, 1), (0, 0)][number % 5]
    version = nib.Nifti2Image if number % 7 == 3 else nib.Nifti1Image
    shape = tuple(int(n) for n in random.integers(1, 6, 3))
    values = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    image = version(values, affine(kind))
    image.set_sform(affine(kind), codes[0])
    image.set_qform(affine(kind), codes[1])
    if codes == (0, 0):
        image.header.set_zooms(random.uniform(0.3, 5, 3))
    image = version.from_bytes(image.to_bytes())
    canonical = nib.as_closest_canonical(image)
    cases.append({
        "file": base64.b64encode(image.to_bytes()).decode(),
        "affine": image.affine.tolist(),
        "codes": list(aff2axcodes(image.affine)),
        "canonical_affine": canonical.affine.tolist(),
        "canonical_shape": list(canonical.shape),
        # In RAS+ order, the last axis fastest.
        "canonical_voxels": np.asarray(canonical.dataobj).ravel().tolist(),
    })

pathlib.Path(__file__).with_name("niftiSpace.json").write_text(json.dumps(cases))
