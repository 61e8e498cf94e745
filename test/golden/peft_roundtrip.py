"""
Loads adapters with PEFT and fails on any key that PEFT misses, does not expect, or finds in another shape; then runs one golden case
through each and saves the logits, so that a test can compare adapters written by Vernier with those that PEFT wrote itself.

    python test/golden/peft_roundtrip.py BASE CASE.safetensors OUT.safetensors ADAPTER [ADAPTER ...]

BASE       a Hugging Face model folder
CASE       golden/<model>/cases/s00_single.safetensors: input_ids, attention_mask, pixel_values, …, labels_completion
OUT        written: `<i>.logits` of the i-th adapter, (T, V), and `<i>.logits_completion`, the rows t with labels[t + 1] != -100
"""
import os
import re
import sys
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a base_model_name_or_path that is no folder must not be looked up

import torch

# torchvision registers a fake kernel for an operator that its C library defines; without that library the import of transformers' Qwen fails.
torch.library.define("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from peft import PeftModel  # noqa: E402
from peft.utils import load_peft_weights, set_peft_model_state_dict  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText  # noqa: E402

INPUTS = ("input_ids", "attention_mask", "pixel_values", "image_grid_thw", "mm_token_type_ids", "token_type_ids")


def load(base_dir, adapter_dir):
    reads_images = hasattr(AutoConfig.from_pretrained(base_dir), "vision_config")
    auto = AutoModelForImageTextToText if reads_images else AutoModelForCausalLM
    base = auto.from_pretrained(base_dir, dtype=torch.float32)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(base, adapter_dir)
    complaints = [str(w.message) for w in caught if re.search("adapter keys|unexpected|mismatch", str(w.message), re.IGNORECASE)]
    # from_pretrained says nothing of unexpected keys; setting the weights again returns both lists. Keys of the base are always "missing".
    result = set_peft_model_state_dict(model, load_peft_weights(adapter_dir, device="cpu"))
    complaints += [f"missing {key}" for key in result.missing_keys if "lora_" in key or "modules_to_save" in key]
    complaints += [f"unexpected {key}" for key in result.unexpected_keys]
    if complaints:
        sys.exit(f"{adapter_dir}: " + "\n".join(complaints))
    return model.eval()


def load_into(base_dir, adapter_dir):
    """The same by transformers' own `load_adapter`."""
    reads_images = hasattr(AutoConfig.from_pretrained(base_dir), "vision_config")
    auto = AutoModelForImageTextToText if reads_images else AutoModelForCausalLM
    model = auto.from_pretrained(base_dir, dtype=torch.float32)
    info = model.load_adapter(adapter_dir)
    complaints = [f"load_adapter: {kind} {sorted(keys)[:3]}" for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") if (keys := getattr(info, kind, None))]
    if complaints:
        sys.exit(f"{adapter_dir}: " + "\n".join(complaints))
    return model.eval()


def main():
    base_dir, case_path, out_path, *adapters = sys.argv[1:]
    torch.set_num_threads(1)
    case = load_file(case_path)
    inputs = {name: case[name] for name in INPUTS if name in case}
    labelled = case["labels_completion"][0, 1:] != -100
    out = {}
    for i, adapter in enumerate(adapters):
        model = load(base_dir, adapter)
        with torch.no_grad():
            logits = model(**inputs).logits[0]
            # DoRA as PEFT itself writes it is what load_adapter of transformers 5.18 does not read: it finds no magnitudes, and takes ones.
            is_unread = any(key.endswith("lora_magnitude_vector") for key in load_file(f"{adapter}/adapter_model.safetensors"))
            if not is_unread and not torch.equal(logits, load_into(base_dir, adapter)(**inputs).logits[0]):
                sys.exit(f"{adapter}: load_adapter gives other logits than PeftModel")
        out[f"{i}.logits"] = logits.contiguous()
        out[f"{i}.logits_completion"] = logits[:-1][labelled].contiguous()
    save_file(out, out_path, metadata={"format": "pt"})


main()
