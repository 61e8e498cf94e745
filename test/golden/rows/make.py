"""
Parquet files as Python's `datasets`, pandas and pyarrow write them, small, for test/data/conversations/parquet.test.ts. The same rows stand in `expected.json`,
as `datasets` gives them back (pictures as [width, height, first pixel]).
Run: python test/golden/rows/make.py (datasets 5.0, pandas, pyarrow, pillow). It writes beside itself.
"""
import io
import json
import os

import pandas
import pyarrow.parquet as parquet
from datasets import Dataset, Features, Image, List, Value, disable_progress_bars
from PIL import Image as Pillow

os.chdir(os.path.dirname(os.path.abspath(__file__)))
disable_progress_bars()
red, blue = Pillow.new("RGB", (8, 6), (200, 10, 10)), Pillow.new("RGB", (6, 8), (10, 10, 200))
red.save("red.png")


def text(words):
    return {"type": "text", "text": words}


def answer(words):
    return {"role": "assistant", "content": [text(words)]}


rows = [
    {"id": 1, "messages": [{"role": "user", "content": [{"type": "image"}, text("Colour?")]}, answer("Red.")], "images": [red]},
    {"id": 2, "messages": [{"role": "user", "content": [text("Hi?")]}, answer("Yes.")], "images": []},
    {"id": 3, "messages": [{"role": "user", "content": [{"type": "image"}, {"type": "image"}, text("Which é?")]}, answer("Ünï 漢")], "images": [red, blue]},
]
parts = Dataset.from_list(rows)
parts.to_parquet("parts.parquet")
for codec in ["zstd", "gzip", "brotli", "lz4", "none"]:
    parquet.write_table(parts.data.table, f"parts_{codec}.parquet", compression=codec)
parquet.write_table(parts.data.table, "parts_v1.parquet", data_page_version="1.0", use_dictionary=False, row_group_size=1)
parquet.write_table(parts.data.table, "parts_v2.parquet", data_page_version="2.0", row_group_size=2, write_page_index=True)

# Null-filled: a row without a picture, a column that is empty in all rows.
Dataset.from_list([
    {"conversations": [{"from": "human", "value": "<image>\nColour?"}, {"from": "gpt", "value": "Red."}], "image": red, "videos": None, "system": "Short."},
    {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo."}], "image": None, "videos": None, "system": None},
]).to_parquet("sharegpt.parquet")

# Paths and no bytes, large strings.
features = Features({"prompt": Value("large_string"), "completion": Value("string"), "images": List(Image())})
table = Dataset.from_list([{"prompt": "Q<image>?", "completion": "A", "images": [{"path": "red.png", "bytes": None}]}], features=features).data.table
parquet.write_table(table, "path.parquet")

# Texts and lists of parts in one column, and a key of some turns only.
Dataset.from_list([
    {"messages": [{"role": "user", "content": "plain"}, {"role": "assistant", "content": "bad", "train": False}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}]},
    {"messages": [{"role": "user", "content": [text("x")]}, {"role": "assistant", "content": "y"}]},
], on_mixed_types="use_json").to_parquet("mixed.parquet")

frame = pandas.DataFrame([{"messages": [{"role": "user", "content": f"x{i}"}, {"role": "assistant", "content": f"y{i}"}], "split": "train"} for i in range(5)])
frame["split"] = frame["split"].astype("category")
frame.to_parquet("pandas.parquet")

# A dict of lists, as Sequence of a dict was stored.
Dataset.from_list([{"messages": {"role": ["user", "assistant"], "content": ["x", "y"]}}]).to_parquet("sequence.parquet")

# Many rows in several groups, of which each says its number.
numbers = [{"messages": [{"role": "user", "content": f"question {i} " + "long " * (i % 50)}, {"role": "assistant", "content": f"answer {i}"}]} for i in range(700)]
parquet.write_table(Dataset.from_list(numbers).data.table, "many.parquet", row_group_size=128, write_page_index=True, data_page_size=2048, compression="zstd")


def picture(image):
    if image is None:
        return None
    if image["bytes"] is None:
        return image["path"]
    decoded = Pillow.open(io.BytesIO(image["bytes"])).convert("RGB")
    return [decoded.width, decoded.height, *decoded.getpixel((0, 0))]


undecoded = Dataset.from_parquet("parts.parquet").cast_column("images", List(Image(decode=False)))
expected = [{"id": str(row["id"]), "messages": [[message["role"], "".join("#" if part["type"] == "image" else part["text"] for part in message["content"])] for message in row["messages"]],
             "images": [picture(image) for image in row["images"]]} for row in undecoded]
json.dump(expected, open("expected.json", "w"), ensure_ascii=False, indent=1)
