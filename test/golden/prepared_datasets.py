"""Opens a prepared folder with Hugging Face `datasets` in both ways people do, and compares rows, pictures and PNG files.

    python test/golden/prepared_datasets.py PREPARED_FOLDER CACHE_FOLDER
"""
import glob
import json
import os
import sys

import numpy as np
from datasets import load_dataset
from PIL import Image

folder, cache = sys.argv[1], sys.argv[2]
manifest = json.load(open(os.path.join(folder, "manifest.json")))
files = {split: sorted(glob.glob(os.path.join(folder, f"{split}-*.parquet"))) for split in ("train", "validation") if manifest["splits"][split]}
by_files = load_dataset("parquet", data_files=files, cache_dir=cache)
by_folder = load_dataset(folder, cache_dir=cache)

for split in files:
    rows = by_files[split]
    assert rows.num_rows == sum(shard["rows"] for shard in manifest["splits"][split]), (split, rows.num_rows)
    assert by_folder[split].num_rows == rows.num_rows and by_folder[split].features == rows.features
    for row in rows:
        assert row["prompt"] and row["target"] and isinstance(row["values"], list)
        json.loads(row["annotation"])
        if manifest["images"] == "none":
            assert row["image"] is None
            continue
        picture = np.asarray(row["image"])
        assert picture.shape == (row["height"], row["width"], 3) and picture.dtype == np.uint8
    if manifest["images"] == "files":
        raw = rows.cast_column("image", rows.features["image"].__class__(decode=False))
        for row in raw:
            on_disk = np.asarray(Image.open(os.path.join(folder, row["image"]["path"])))
            assert on_disk.shape == (row["height"], row["width"], 3)
print("ok", by_files)
