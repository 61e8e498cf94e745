"""Qwen3-VL in shapes that share nothing with qwen3_vl-tiny, by transformers: weights in bfloat16, arithmetic in float32 and float64.

    python qwen3_vl_shapes.py <output folder>     (qwen3_vl, after qwen3_vl_cases.py, whose tokenizer is taken)

untied   four layers with biases, three key heads, an untied head, scaled RoPE whose sections run out; merge blocks of 3 x 3 patches of 8 pixels, one frame deep;
         deep features of blocks 3, 1 and 4 (named in that order), a position table with unused rows, exact GELU in the tower.
small    two layers, one key head, a tied head, YaRN; patches of 4 pixels, deep features of the last block only.

Three rows: two images of different grids among text, text alone, one image. Logits, loss, features, gradient norms, a greedy answer; `noise` is float32's
distance from float64, relative to the largest value.
"""
import shutil
import sys
from pathlib import Path

import torch

from family_goldens import patched, store, token_losses
from qwen3_vl_cases import Qwen3VL, Row
from qwen3_vl_folders import IDS, IMAGE, dump, randomise
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

out = Path(sys.argv[1])
TINY = out / "models" / "qwen3_vl-tiny"
SHARED = dict(vocab_size=640, max_position_embeddings=256, hidden_act="silu", attention_dropout=0.0)
VARIANTS = dict(
    untied=dict(
        text=dict(hidden_size=36, intermediate_size=52, num_hidden_layers=4, num_attention_heads=6, num_key_value_heads=3, head_dim=8, attention_bias=True, rms_norm_eps=1e-5,
                  rope_parameters={"rope_type": "linear", "factor": 2.5, "rope_theta": 300.0, "mrope_section": [1, 1, 2], "mrope_interleaved": True}),
        vision=dict(depth=5, hidden_size=12, intermediate_size=28, num_heads=3, patch_size=8, temporal_patch_size=1, spatial_merge_size=3, out_hidden_size=36,
                    num_position_embeddings=30, deepstack_visual_indexes=[3, 1, 4], hidden_act="gelu"),
        tied=False, grids=[[[1, 3, 9], [1, 6, 3]], [], [[1, 6, 6]]],
    ),
    small=dict(
        text=dict(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=24,
                  rope_parameters={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "rope_theta": 10000.0, "mrope_section": [6, 3, 3], "mrope_interleaved": True}),
        vision=dict(depth=2, hidden_size=12, intermediate_size=20, num_heads=1, patch_size=4, temporal_patch_size=2, spatial_merge_size=2, out_hidden_size=32,
                    num_position_embeddings=49, deepstack_visual_indexes=[1]),
        tied=True, grids=[[[1, 2, 8], [1, 4, 2]], [], [[1, 10, 4]]],
    ),
)


def rows_of(variant, positions_of):
    """Token ids of 3 rows with their labels, pixels and positions."""
    vision, rows = variant["vision"], []
    words = lambda count: torch.randint(20, 590, (count,)).tolist()
    for at, grids in enumerate(variant["grids"]):
        ids = words(3 + at)
        for grid in grids:
            ids += [609] + [IMAGE] * (grid[1] * grid[2] // vision["spatial_merge_size"] ** 2) + [610] + words(2)
        start = len(ids)
        ids = torch.tensor([ids + words(9 - at)])
        labels = ids.clone()
        labels[:, :start] = -100
        pixels = torch.randn(sum(grid[1] * grid[2] for grid in grids), 3 * vision["temporal_patch_size"] * vision["patch_size"] ** 2)
        grid = torch.tensor(grids)
        positions = positions_of(ids, (ids == IMAGE).long(), grid)[0] if grids else None
        rows.append(Row("", "", [], bool(grids), ids, labels, labels, pixels, grid, positions))
    return rows


def measure(folder, rows, dtype, collate):
    model = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).to(dtype).eval()
    inputs, labels, _ = collate(rows)
    logits, nll, _ = token_losses(model, inputs, labels)
    nll.mean().backward()
    features = model.model.visual(inputs["pixel_values"].to(dtype), grid_thw=inputs["image_grid_thw"])
    found = dict(logits=logits, loss=nll.mean()[None], image_features=features.pooler_output) | {f"deep.{i}": value for i, value in enumerate(features.deepstack_features)}
    return {key: value.detach() for key, value in found.items()}, {name: p.grad.norm().item() for name, p in model.named_parameters()}


for name, variant in VARIANTS.items():
    folder, vision = out / name, variant["vision"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = Qwen3VLForConditionalGeneration(Qwen3VLConfig(text_config=SHARED | variant["text"], vision_config=vision, **IDS | dict(tie_word_embeddings=variant["tied"])))
    randomise(model, 5)
    model.bfloat16().save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(TINY / file, folder / file)
    image = dict(patch_size=vision["patch_size"], temporal_patch_size=vision["temporal_patch_size"], merge_size=vision["spatial_merge_size"], min_pixels=64, max_pixels=65536)
    dump(folder / "preprocessor_config.json", image | dict(image_mean=[0.5] * 3, image_std=[0.5] * 3, image_processor_type="Qwen2VLImageProcessor"))
    family = Qwen3VL(None, folder)
    torch.manual_seed(9)
    rows = rows_of(variant, family.rope_index)
    single, _ = measure(folder, rows, torch.float32, family.collate)
    with patched(family.patches):
        double, norms = measure(folder, rows, torch.float64, family.collate)
    noise = {key: ((single[key] - value).abs().max() / value.abs().max()).item() for key, value in double.items()}
    inputs, labels, _ = family.collate(rows[:1])
    prompt = int((labels[0] == -100).sum())
    inputs = {key: value[:, :prompt] if value.shape == labels.shape else value for key, value in inputs.items()}
    model = Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    answer = model.generate(**inputs, do_sample=False, max_new_tokens=12, eos_token_id=None, pad_token_id=600)[0, prompt:]
    tensors = double | dict(generated=answer)
    for at, row in enumerate(rows):
        tensors |= {f"{at}.input_ids": row.ids, f"{at}.labels": row.labels}
        if row.has_images:
            tensors |= {f"{at}.pixel_values": row.pixels, f"{at}.image_grid_thw": row.grids, f"{at}.position_ids": row.positions}
    store(tensors, folder / "case.safetensors")
    dump(folder / "case.json", dict(prompt=prompt, noise=noise, grad_norms=norms))
    for file in folder.iterdir():
        file.chmod(0o644)
    print(name, noise, answer.tolist())
