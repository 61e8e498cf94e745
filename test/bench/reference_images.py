"""The reference's way from a sample to its picture, timed: for every sample the whole volume is decoded twice in float64 with nibabel (once for the prompt's
pixel size and shape, once for the picture), then a slice is cut, stretched to bytes and made RGB. Reads a JSON list of [volume, axis, index] from the
file named, prints {"seconds", "sha256"} of all pictures' bytes. Called by test/bench/images.ts.
"""
import hashlib
import json
import sys
import time

import nibabel as nib
import numpy as np
from PIL import Image

samples = json.load(open(sys.argv[1]))


def load_slice(path, axis, index):
    image = nib.load(path)
    volume = image.get_fdata().astype("float32")
    return np.take(volume, index, axis=axis), image.header.get_zooms()


digest = hashlib.sha256()
started = time.perf_counter()
for path, axis, index in samples:
    # _format_data_*Task: shape and pixel size for the prompt.
    plane, _ = load_slice(path, axis, index)
    height, width = plane.shape
    # _doc_to_visual: the picture.
    plane, _ = load_slice(path, axis, index)
    low, high = plane.min(), plane.max()
    grey = np.zeros_like(plane, dtype=np.uint8) if high == low else ((plane - low) / (high - low) * 255).astype(np.uint8)
    picture = Image.fromarray(grey, mode="L").convert("RGB")
    digest.update(np.asarray(picture).tobytes())
print(json.dumps({"seconds": time.perf_counter() - started, "sha256": digest.hexdigest()}))
