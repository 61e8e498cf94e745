"""
The loss of a row in transformers (float32, eager attention) over a folder that does not fit into memory: a block's weights are there only while it runs.

    python test/trueSize/reference.py FOLDER CASE.safetensors [--size 512] [--nf4 [--skip lm_head,visual]]

The row is made here (random words about a random picture of SIZE², of SmolVLM SIZE / 512 tiles, the last 40 tokens learnt) and left in CASE for test/trueSize/run.mjs. --nf4: every linear layer but those
skipped gets the values that NF4 with double quantisation keeps of it (bitsandbytes' rules: blocks of 64, their largest values in blocks of 256; see `nf4`).
Prints the loss. Needs transformers and safetensors; peak memory is the embedding table in float32, three times.
"""
import argparse
import contextlib
import json
import os

import numpy as np
import torch

torch.library.define("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from safetensors import safe_open  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers import AutoConfig, AutoModelForImageTextToText  # noqa: E402

# QLoRA (Dettmers et al. 2023), appendix E: the quantiles of a normal distribution, as bitsandbytes' functional.py has them.
CODE = torch.tensor([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
                     -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                     0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0])


def dynamic_map():
    """bitsandbytes' create_dynamic_map(signed=True): 8 bits, an exponent in unary and a linear fraction."""
    data = []
    for i in range(7):
        edges = torch.linspace(0.1, 1, 2**i + 1)
        means = (edges[:-1] + edges[1:]) / 2
        data += (10.0 ** (i - 6) * means).tolist() + (-(10.0 ** (i - 6)) * means).tolist()
    return torch.tensor(sorted(data + [0.0, 1.0]))


def nearest(code, x):
    """Indices of the nearest entries of a sorted code."""
    return torch.bucketize(x, (code[:-1] + code[1:]) / 2)


def nf4(weight):
    """What NF4 with double quantisation keeps of a matrix, in float32."""
    flat = weight.float().flatten()
    padded = torch.nn.functional.pad(flat, (0, -flat.numel() % 64)).view(-1, 64)
    largest = padded.abs().amax(1)
    codes = nearest(CODE, padded / largest.clamp_min(1e-38)[:, None])
    offset = largest.mean()
    rest = largest - offset
    blocks = torch.nn.functional.pad(rest, (0, -rest.numel() % 256)).view(-1, 256)
    nested = blocks.abs().amax(1)
    table = dynamic_map()
    kept = table[nearest(table, blocks / nested.clamp_min(1e-38)[:, None])] * nested[:, None]
    scale = kept.flatten()[: rest.numel()] + offset
    return (CODE[codes] * scale[:, None]).flatten()[: flat.numel()].view(weight.shape)


class Folder:
    """Tensors of a sharded folder by the names that its files have."""

    def __init__(self, path):
        self.path = path
        self.map = json.load(open(os.path.join(path, "model.safetensors.index.json")))["weight_map"]

    def read(self, name):
        with safe_open(os.path.join(self.path, self.map[name]), "pt") as file:
            return file.get_tensor(name)


def units(model):
    """The modules that are brought in and sent away whole: blocks, and what lies outside of them."""
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.ModuleList) and name.rsplit(".", 1)[-1] in ("layers", "blocks"):
            yield from ((f"{name}.{at}", child) for at, child in enumerate(module))


def stream(model, folder, quantised):
    """Every unit's weights come when it is called and go when it is done; the rest come now."""
    inside = {}
    for name, module in units(model):
        inside[name] = module

        def bring(module, _args, name=name):
            for key, _ in list(module.named_parameters()):
                put(module, key, value(folder, f"{name}.{key}", quantised))

        def send(module, _args, _out):
            for key, parameter in list(module.named_parameters()):
                put(module, key, torch.empty(parameter.shape, device="meta"))

        module.register_forward_pre_hook(bring)
        module.register_forward_hook(send)
    for key, _ in list(model.named_parameters()):
        if not any(key.startswith(f"{name}.") for name in inside) and (key != "lm_head.weight" or key in folder.map):
            put(model, key, value(folder, key, quantised))
    if "lm_head.weight" not in folder.map:
        model.lm_head.weight = next(parameter for key, parameter in model.named_parameters() if key.endswith("embed_tokens.weight"))


@contextlib.contextmanager
def parameters_on_meta():
    """Parameters made inside take no memory; buffers (rotary frequencies, position ids), which are computed and not stored, are as always."""
    register = torch.nn.Module.register_parameter

    def on_meta(module, name, parameter):
        register(module, name, parameter if parameter is None else torch.nn.Parameter(parameter.to("meta"), requires_grad=False))

    torch.nn.Module.register_parameter = on_meta
    try:
        yield
    finally:
        torch.nn.Module.register_parameter = register


def put(module, key, tensor):
    *path, last = key.split(".")
    for part in path:
        module = getattr(module, part)
    setattr(module, last, torch.nn.Parameter(tensor, requires_grad=False))


def value(folder, name, quantised):
    tensor = folder.read(name)
    return nf4(tensor) if name in quantised else tensor.float()


def make_case(config, size, path):
    """Ids, labels, pixels and positions of one row."""
    generator = torch.Generator().manual_seed(1)
    is_qwen, is_tiled = config.model_type in ("qwen2_5_vl", "qwen3_vl"), config.model_type == "idefics3"
    image_id = config.image_token_id if is_qwen else getattr(config, "image_token_id", None) or config.image_token_index
    special = {value for key, value in config.to_dict().items() if key.endswith(("_token_id", "_token_index")) and isinstance(value, int)}
    allowed = torch.tensor([i for i in range(3, 600) if i not in special])
    words = lambda count: allowed[torch.randint(len(allowed), (count,), generator=generator)]  # noqa: E731
    if is_qwen:
        patch = config.vision_config.patch_size
        side = round(size / (2 * patch)) * 2
        count = side * side // 4
        around = [torch.tensor([config.vision_start_token_id]), torch.tensor([config.vision_end_token_id])]
        tensors = {"pixel_values": torch.randn(side * side, 6 * patch * patch, generator=generator), "image_grid_thw": torch.tensor([[1, side, side]])}
    elif is_tiled:
        side = config.vision_config.image_size
        tiles = max(1, size // side)
        count = tiles * (side // config.vision_config.patch_size // config.scale_factor) ** 2
        around = [torch.tensor([], dtype=torch.long)] * 2
        tensors = {"pixel_values": torch.randn(1, tiles, 3, side, side, generator=generator)}
    else:
        count = config.mm_tokens_per_image
        around = [torch.tensor([config.boi_token_index]), torch.tensor([config.eoi_token_index])]
        tensors = {"pixel_values": torch.randn(1, 3, config.vision_config.image_size, config.vision_config.image_size, generator=generator)}
    ids = torch.cat([words(60), around[0], torch.full((count,), image_id), around[1], words(60), words(40)])[None]
    labels = ids.clone()
    labels[:, :-40] = -100
    tensors |= {"input_ids": ids, "labels_completion": labels, "attention_mask": torch.ones_like(ids)}
    if not is_tiled:
        tensors["token_type_ids" if not is_qwen else "mm_token_type_ids"] = (ids == image_id).long()
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("case")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--nf4", action="store_true")
    parser.add_argument("--skip", default="lm_head")
    args = parser.parse_args()
    config = AutoConfig.from_pretrained(args.folder)
    with parameters_on_meta():
        model = AutoModelForImageTextToText.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    tensors = make_case(config, args.size, args.case)
    skip = args.skip.split(",") if args.skip else []
    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    quantised = {name for name in linear if not any(part in name.split(".") for part in skip)} if args.nf4 else set()
    stream(model, Folder(args.folder), quantised)
    inputs = {key: value for key, value in tensors.items() if key != "labels_completion"}
    if config.model_type in ("qwen2_5_vl", "qwen3_vl"):
        positions, _ = model.model.get_rope_index(
            tensors["input_ids"], mm_token_type_ids=tensors["mm_token_type_ids"], image_grid_thw=tensors["image_grid_thw"], attention_mask=tensors["attention_mask"])
        tensors["position_ids"] = positions
    with torch.no_grad():
        loss = model(**inputs, labels=tensors["labels_completion"]).loss.item()
    save_file({key: value.contiguous() for key, value in tensors.items()}, args.case)
    print(f"T {tensors['input_ids'].shape[1]}, NF4 {len(quantised)} of {len(linear)} linear layers, loss {loss:.6f}")


if __name__ == "__main__":
    main()
