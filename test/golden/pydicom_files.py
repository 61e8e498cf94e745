"""
What pydicom makes of its own test files: size, spacing as the attributes say, and the hash of the values after apply_modality_lut (little-endian
float32, colours as RGB). The files are pydicom's and are not committed; test/data/pydicomFiles.test.ts reads them where VERNIER_PYTHON names a
Python that has pydicom. Writes pydicom_files.json beside itself.

Run: python test/golden/pydicom_files.py     (pydicom 3.0.2, numpy, and Pillow 12.3, which decodes JPEG and JPEG 2000)

Of compression that needs other decoders, where it is lossless, the values are those of the file that pydicom's README says it was made from.
"""
import hashlib
import json
import pathlib
import warnings

import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut

warnings.simplefilter("ignore")
here = pathlib.Path(__file__).parent
folder = pathlib.Path(pydicom.__file__).parent / "data/test_files"
SAME = {
    "MR_small_jp2klossless.dcm": "MR_small.dcm",
    "MR_small_jpeg_ls_lossless.dcm": "MR_small.dcm",
    "emri_small_jpeg_2k_lossless.dcm": "emri_small.dcm",
}
found = {}
for path in sorted(folder.glob("*.dcm")):
    try:
        ds = pydicom.dcmread(path, force=True)
    except Exception as error:  # noqa: BLE001 — whatever pydicom says
        found[path.name] = {"pydicom": type(error).__name__}
        continue
    if not any(keyword in ds for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        found[path.name] = {"pydicom": "no pixels"}
        continue
    try:
        pixels = ds.pixel_array
        values = np.asarray(apply_modality_lut(pixels, ds), dtype=np.float64)
    except Exception as error:  # noqa: BLE001
        found[path.name] = {"pydicom": type(error).__name__}
        continue
    frames = int(ds.get("NumberOfFrames") or 1)
    entry = {"size": [frames, int(ds.Rows), int(ds.Columns)], "samples": int(ds.SamplesPerPixel)}
    if ds.get("Modality") in ("CT", "MR", "RTDOSE") and "PixelSpacing" in ds:
        entry["spacing_mm"] = [float(mm) for mm in ds.PixelSpacing]
    entry["sha256"] = hashlib.sha256(np.ascontiguousarray(values.astype("<f4")).tobytes()).hexdigest()
    found[path.name] = entry
for name, other in SAME.items():
    if name in found and other in found:
        found[name] = found[other]
lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in found.items())
(here / "pydicom_files.json").write_text(f'{{\n{lines}\n}}\n')
print(len(found), sum("sha256" in entry for entry in found.values()))
