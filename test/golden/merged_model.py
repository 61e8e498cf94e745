"""
Loads merged folders with transformers, as any user would, and saves their logits on a golden case; merges the same adapters with PEFT
(merge_and_unload, float32) and fails where a weight differs by more than 2 ulp, a key is missing or left over, or a head is tied that should not be.

    python test/golden/merged_model.py CASE.safetensors OUT.safetensors MERGED BASE ADAPTER [MERGED BASE ADAPTER ...]

CASE       golden/<model>/cases/s00_single.safetensors: input_ids, attention_mask, pixel_values, …, labels_completion
OUT        written: `<i>.merged` and `<i>.adapter`, the logits (rows t with labels[t + 1] != -100, V) of the i-th merged folder and of base with adapter
"""
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

# torchvision registers a fake kernel for an operator that its C library defines; without that library the import of transformers' Qwen fails.
torch.library.define("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from peft import PeftModel  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText  # noqa: E402

INPUTS = ("input_ids", "attention_mask", "pixel_values", "image_grid_thw", "mm_token_type_ids", "token_type_ids")
MOST_ULPS = 2


def load(folder, **options):
    config = AutoConfig.from_pretrained(folder)
    auto = AutoModelForImageTextToText if hasattr(config, "vision_config") else AutoModelForCausalLM
    model, info = auto.from_pretrained(folder, output_loading_info=True, **options)
    complaints = {kind: sorted(keys) for kind, keys in info.items() if keys}
    if complaints:
        sys.exit(f"{folder}: {complaints}")
    return model.eval()


def is_tied(model):
    return model.get_output_embeddings().weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()


def ulps(a, b):
    def ordered(x):
        bits = x.contiguous().view(torch.int32).long()
        return torch.where(bits < 0, -(2**31) - bits, bits)

    return (ordered(a) - ordered(b)).abs().max().item()


def compare(folder, ours, theirs):
    ours, theirs = ours.state_dict(), theirs.state_dict()
    if ours.keys() != theirs.keys():
        sys.exit(f"{folder}: keys differ: {sorted(ours.keys() ^ theirs.keys())[:5]}")
    distances = {name: ulps(value, theirs[name]) for name, value in ours.items()}
    worst = max(distances, key=distances.get)
    if distances[worst] > MOST_ULPS:
        sys.exit(f"{folder}: {worst} differs from merge_and_unload by {distances[worst]} ulp")
    changed = sum(distance > 0 for distance in distances.values())
    print(f"{folder}: {len(distances)} tensors, {changed} of them not identical, at most {distances[worst]} ulp")


def main():
    case_path, out_path, *rest = sys.argv[1:]
    torch.set_num_threads(1)
    case = load_file(case_path)
    inputs = {name: case[name] for name in INPUTS if name in case}
    labelled = case["labels_completion"][0, 1:] != -100

    def logits(model):
        with torch.no_grad():
            return model(**inputs).logits[0, :-1][labelled].contiguous()

    out = {}
    for i in range(0, len(rest), 3):
        merged_dir, base_dir, adapter_dir = rest[i : i + 3]
        merged = load(merged_dir)  # the dtype is the folder's own word
        base = load(base_dir, dtype=torch.float32)
        base_tied = is_tied(base)
        adapter = PeftModel.from_pretrained(base, adapter_dir).eval()
        out[f"{i // 3}.merged"] = logits(merged).float()
        out[f"{i // 3}.adapter"] = logits(adapter)
        saved = adapter.peft_config["default"].modules_to_save or []
        apart = not base_tied or any(name in ("lm_head", "embed_tokens") for name in saved)
        if is_tied(merged) == apart:
            sys.exit(f"{merged_dir}: head and embedding are {'tied' if apart else 'apart'}")
        if merged.dtype == torch.float32:
            compare(merged_dir, merged, adapter.merge_and_unload())
    save_file(out, out_path, metadata={"format": "pt"})


main()
