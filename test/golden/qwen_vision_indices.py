"""Dumps what transformers computes on the CPU before the first kernel of Qwen2.5-VL runs, for shapes the golden cases do not have: window order,
attention segments, rotary angles and M-RoPE positions on grids of many shapes; Pillow's resampling and the PIL image processor on synthetic images.

Run: OMP_NUM_THREADS=1 python test/golden/qwen_vision_indices.py     (transformers 5.18, pillow; writes qwen_vision_indices.json beside itself)
"""
import hashlib
import json
import pathlib

import numpy as np
import torch
from PIL import Image
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VLModel,
    Qwen2_5_VLRotaryEmbedding,
    Qwen2_5_VLVisionRotaryEmbedding,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.vision_utils import get_vision_cu_seqlens, get_vision_position_ids, get_vision_window_index

VISION = [
    dict(grids=[[1, 4, 4]], window_size=112, merge=2, patch=14, head_dim=80),
    dict(grids=[[1, 16, 16]], window_size=112, merge=2, patch=14, head_dim=80),
    dict(grids=[[1, 12, 16], [1, 6, 8], [1, 2, 2]], window_size=56, merge=2, patch=14, head_dim=16),
    dict(grids=[[1, 18, 10], [1, 10, 26]], window_size=112, merge=2, patch=14, head_dim=64),
    dict(grids=[[2, 6, 10], [1, 2, 34]], window_size=84, merge=2, patch=14, head_dim=32),
    dict(grids=[[1, 9, 15]], window_size=90, merge=3, patch=10, head_dim=24),
    dict(grids=[[1, 2, 6]], window_size=28, merge=2, patch=14, head_dim=4),
]

TEXT = [
    dict(hidden=64, heads=4, section=[2, 3, 3], theta=1e6, grids=[[1, 4, 6]], runs=[5, 0, 7]),
    dict(hidden=256, heads=2, section=[16, 24, 24], theta=1e6, grids=[[1, 8, 2], [1, 2, 12]], runs=[900, 3, 0, 40]),
    dict(hidden=96, heads=3, section=[8, 4, 4], theta=10000.0, grids=[], runs=[12]),
    dict(hidden=64, heads=2, section=[4, 6, 6], theta=5e5, grids=[[3, 4, 4], [1, 2, 2]], runs=[2, 1, 4]),
]

RESIZE = [(37, 53, 28, 56), (53, 37, 112, 84), (200, 3, 28, 28), (1, 1, 56, 56), (90, 90, 90, 56),
          (64, 64, 64, 64), (7, 301, 28, 308), (129, 257, 140, 252)]

PROCESS = [
    dict(height=61, width=97, channels=3, min_pixels=3136, max_pixels=12845056),
    dict(height=350, width=90, channels=1, min_pixels=3136, max_pixels=12845056),
    dict(height=20, width=31, channels=3, min_pixels=12544, max_pixels=50176),
    dict(height=300, width=410, channels=3, min_pixels=3136, max_pixels=50176),
]


def synthetic(height, width, channels):
    """The same bytes as synthetic() in test/data/image.test.ts: a ramp in one half, hash noise in the other."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    u = lambda a, k: (a.astype(np.uint64) * np.uint64(k)).astype(np.uint32)
    noise = ((u(x, 73856093) ^ u(y, 19349663) ^ u(c, 83492791)) >> np.uint32(9)) & np.uint32(255)
    ramp = (x * 5 + y * 3 + c * 40) & 255
    return np.where(x * 2 < width, ramp, noise).astype(np.uint8)


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def some_rows(tensor, half):
    """Rotary tables repeat their first half; a few rows of it are enough."""
    rows = sorted({0, 1, 2, 3, tensor.shape[0] // 3, tensor.shape[0] // 2, tensor.shape[0] - 1} & set(range(tensor.shape[0])))
    return {str(r): [float(v) for v in tensor[r, :half]] for r in rows}


def vision_case(case):
    grid = torch.tensor(case["grids"])
    positions = get_vision_position_ids(grid, case["merge"])
    window, cu_window = get_vision_window_index(grid, case["merge"], case["window_size"], case["patch"])
    config = Qwen2_5_VLConfig().vision_config
    config.hidden_size, config.num_heads = case["head_dim"], 1
    cos, sin = Qwen2_5_VLVisionRotaryEmbedding(config)(torch.zeros(1), positions)
    return dict(
        case,
        window_index=window.tolist(),
        cu_window_seqlens=cu_window.tolist(),
        cu_seqlens=get_vision_cu_seqlens(grid).tolist(),
        positions=positions.flatten().tolist(),
        cos=some_rows(cos, case["head_dim"] // 2),
        sin=some_rows(sin, case["head_dim"] // 2),
    )


def text_case(case):
    image_id = 7
    config = Qwen2_5_VLConfig(
        hidden_size=case["hidden"], num_attention_heads=case["heads"], num_key_value_heads=case["heads"], num_hidden_layers=1, intermediate_size=8,
        vocab_size=16, rope_theta=case["theta"], rope_scaling={"type": "mrope", "mrope_section": case["section"]}, image_token_id=image_id,
        vision_config=dict(depth=1, hidden_size=16, num_heads=1, intermediate_size=8, out_hidden_size=case["hidden"]),
    )
    ids = []
    for i, run in enumerate(case["runs"]):
        ids += [1] * run
        if i < len(case["grids"]):
            t, h, w = case["grids"][i]
            ids += [3] + [image_id] * (t * h * w // 4) + [4]
    input_ids = torch.tensor([ids])
    model = Qwen2_5_VLModel(config)
    positions, delta = model.get_rope_index(
        input_ids, (input_ids == image_id).int(), torch.tensor(case["grids"]) if case["grids"] else None
    )
    cos, sin = Qwen2_5_VLRotaryEmbedding(config.text_config)(torch.zeros(1), positions)
    half = case["hidden"] // case["heads"] // 2
    return dict(
        case, image_id=image_id, positions_sha256=digest(positions[:, 0].numpy().astype("<i4")), length=len(ids), delta=int(delta[0, 0]),
        cos=some_rows(cos[0], half), sin=some_rows(sin[0], half),
    )


def resize_case(height, width, new_height, new_width):
    out = {"size": [height, width], "to": [new_height, new_width]}
    image = Image.fromarray(synthetic(height, width, 3))
    for name in ("BILINEAR", "BICUBIC", "LANCZOS"):
        out[name.lower()] = digest(np.asarray(image.resize((new_width, new_height), Image.Resampling[name])))
    return out


def process_case(case):
    array = synthetic(case["height"], case["width"], case["channels"])
    image = Image.fromarray(array if case["channels"] == 3 else array[..., 0])
    processor = Qwen2VLImageProcessorPil(min_pixels=case["min_pixels"], max_pixels=case["max_pixels"])
    out = processor(image, return_tensors="np")
    return dict(case, grid=out["image_grid_thw"][0].tolist(), pixel_values_sha256=digest(out["pixel_values"].astype("<f4")))


if __name__ == "__main__":
    result = dict(
        vision=[vision_case(c) for c in VISION],
        text=[text_case(c) for c in TEXT],
        resize=[resize_case(*c) for c in RESIZE],
        process=[process_case(c) for c in PROCESS],
    )
    target = pathlib.Path(__file__).with_suffix(".json")
    text = json.dumps(result, separators=(",", ":")).replace('},{"', '},\n{"')
    target.write_text(text + "\n")
    print(target.name, len(text), "bytes")
