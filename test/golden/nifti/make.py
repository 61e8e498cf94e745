"""Tiny NIfTI volumes of every data type, both byte orders and both versions, and what nibabel reads in them (expected.json).

Run: python test/golden/nifti/make.py   (needs nibabel and numpy)
"""
import gzip
import json
import pathlib
import struct

import nibabel as nib
import numpy as np

HERE = pathlib.Path(__file__).parent
SHAPE = (5, 4, 3)
ZOOMS = (0.7, 1.3, 2.9)
TYPES = ["u1", "i2", "i4", "f4", "c8", "f8", "i1", "u2", "u4", "i8", "u8", "c16"]
for old in HERE.glob("*.nii*"):
    old.unlink()


def voxels(kind):
    rng = np.random.default_rng(len(kind) + ord(kind[0]))
    if kind[0] == "c":
        return (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)).astype(kind)
    if kind[0] == "f":
        return (rng.normal(size=SHAPE) * 1000).astype(kind)
    limits = np.iinfo(kind)
    data = rng.integers(limits.min, limits.max, SHAPE, dtype=kind, endpoint=True)
    data.flat[:2] = limits.min, limits.max
    return data


def image_bytes(version, kind, order):
    image_class, header_class = {1: (nib.Nifti1Image, nib.Nifti1Header), 2: (nib.Nifti2Image, nib.Nifti2Header)}[version]
    header = header_class(endianness=order)
    header.set_data_dtype(np.dtype(kind).newbyteorder(order))
    image = image_class(voxels(kind), np.diag([*ZOOMS, 1.0]), header=header)
    image.header.set_zooms(ZOOMS)
    return bytearray(image.to_bytes())


def plain(value):
    return float(value) if np.isfinite(value) else str(value)


expected = {}


def save(name, content):
    path = HERE / name
    path.write_bytes(gzip.compress(bytes(content), mtime=0) if name.endswith(".gz") else bytes(content))
    image = nib.load(path)
    expected[name] = {
        "shape": list(image.shape),
        "zooms": [float(zoom) for zoom in image.header.get_zooms()],
        "voxels": [plain(value) for value in image.get_fdata().ravel(order="F")],
    }


for version in (1, 2):
    for order, word in (("<", "little"), (">", "big")):
        for kind in TYPES:
            save(f"nifti{version}_{word}_{kind}.nii{'.gz' if version == 1 else ''}", image_bytes(version, kind, order))


def edited(name, edit, kind="i2"):
    content = image_bytes(1, kind, "<")
    replaced = edit(content)
    save(name, content if replaced is None else replaced)


def packed(offset, form, *values):
    return lambda content: struct.pack_into(form, content, offset, *values)


edited("scaled.nii.gz", packed(112, "<2f", 0.37, -1.7))
edited("scaled_float.nii.gz", packed(112, "<2f", 0.37, -1.7), "f4")
edited("scaled_uint64.nii.gz", packed(112, "<2f", 0.37, -1.7), "u8")
edited("slope_nan.nii.gz", packed(112, "<2f", float("nan"), 5))
edited("slope_zero.nii.gz", packed(112, "<2f", 0, 5))
edited("zooms_negative_and_zero.nii.gz", packed(76, "<4f", 1, -0.7, 0, 2.9))
edited("four_dimensions.nii.gz", packed(40, "<5h", 4, 5, 4, 3, 1))
edited("two_dimensions.nii.gz", packed(40, "<3h", 2, 5, 4))
edited("later_voxels.nii.gz", lambda content: packed(108, "<f", 400)(content) or content[:352] + bytes(48) + content[352:])
edited("trailing_bytes.nii.gz", lambda content: content + b"trailing")
with_nan = voxels("f4")
with_nan.flat[3], with_nan.flat[7], with_nan.flat[9] = np.nan, np.inf, -np.inf
image = nib.Nifti1Image(with_nan, np.diag([*ZOOMS, 1.0]))
image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"an extension"))
save("nan_and_extension.nii.gz", image.to_bytes())
(HERE / "expected.json").write_text(json.dumps(expected) + "\n")
