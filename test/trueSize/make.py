"""
A model folder of the true shapes of Qwen2.5-VL-3B, Qwen3-VL-2B, MedGemma-4B or SmolVLM-256M with random bfloat16 weights, and a row for it: what a change of the engine is tried on
where no real checkpoint can be had. 0.5 to 9 GB; outside of CI.

    python test/trueSize/make.py qwen2_5_vl-3b|qwen3_vl-2b|medgemma-4b|smolvlm-256m LIKE OUT [--headers] [--layers N]

LIKE is a small folder of the same family, whose tokenizer, template and processor files are taken, so that every program runs on OUT (its token ids lie within the
true vocabulary). --headers: the files are sparse, of the right size and empty; a plan of memory reads no more. --layers: only so many
blocks in each tower, to try the scripts. Needs transformers and safetensors.
"""
import argparse
import json
import os
import shutil

import numpy as np
import torch

torch.library.define("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from transformers import AutoConfig, AutoModelForImageTextToText  # noqa: E402

SHARD_BYTES = 2 * 10**9
TRUE = {
    "qwen2_5_vl-3b": {
        "model_type": "qwen2_5_vl", "architectures": ["Qwen2_5_VLForConditionalGeneration"], "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16, "num_key_value_heads": 2,
        "vocab_size": 151936, "max_position_embeddings": 128000, "rms_norm_eps": 1e-6, "rope_theta": 1e6, "use_sliding_window": False,
        "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
        "vision_config": {
            "model_type": "qwen2_5_vl", "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 2048, "in_chans": 3,
            "patch_size": 14, "spatial_merge_size": 2, "spatial_patch_size": 14, "temporal_patch_size": 2, "tokens_per_second": 2, "window_size": 112,
            "fullatt_block_indexes": [7, 15, 23, 31], "hidden_act": "silu",
        },
    },
    "qwen3_vl-2b": {
        "model_type": "qwen3_vl", "architectures": ["Qwen3VLForConditionalGeneration"], "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "text_config": {
            "model_type": "qwen3_vl_text", "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, "num_attention_heads": 16,
            "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936, "max_position_embeddings": 262144, "rms_norm_eps": 1e-6, "rope_theta": 5000000,
            "rope_scaling": {"rope_type": "default", "mrope_interleaved": True, "mrope_section": [24, 20, 20]},
        },
        "vision_config": {
            "model_type": "qwen3_vl", "depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16, "out_hidden_size": 2048, "in_channels": 3,
            "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2, "num_position_embeddings": 2304, "deepstack_visual_indexes": [5, 11, 17],
            "hidden_act": "gelu_pytorch_tanh",
        },
    },
    "medgemma-4b": {
        "model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"], "torch_dtype": "bfloat16", "mm_tokens_per_image": 256,
        "text_config": {
            "model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "num_attention_heads": 8,
            "num_key_value_heads": 4, "head_dim": 256, "sliding_window": 1024, "query_pre_attn_scalar": 256, "vocab_size": 262208,
            "max_position_embeddings": 131072, "rms_norm_eps": 1e-6, "rope_theta": 1e6, "rope_local_base_freq": 1e4,
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        },
        "vision_config": {
            "model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16,
            "image_size": 896, "patch_size": 14, "vision_use_head": False,
        },
    },
    "smolvlm-256m": {
        "model_type": "idefics3", "architectures": ["Idefics3ForConditionalGeneration"], "torch_dtype": "bfloat16", "scale_factor": 4, "tie_word_embeddings": False,
        "text_config": {
            "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
            "head_dim": 64, "vocab_size": 49280, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 1e5, "pad_token_id": 2,
        },
        "vision_config": {
            "model_type": "idefics3_vision", "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "image_size": 512,
            "patch_size": 16,
        },
    },
}
COMPANIONS = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "chat_template.json",
              "preprocessor_config.json", "processor_config.json", "generation_config.json"]


def noise(name, count, start):
    """Elements start… of the numbers in (-1, 1) that belong to a name: lowbias32 of the index, counted on from a hash of the name (FNV-1a)."""
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) & 0xFFFFFFFF
    with np.errstate(over="ignore"):
        x = np.arange(start, start + count, dtype=np.uint32) + np.uint32(seed)
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x7FEB352D)
        x ^= x >> np.uint32(15)
        x *= np.uint32(0x846CA68B)
        x ^= x >> np.uint32(16)
    return (x.astype(np.float32) * np.float32(2**-31)) - np.float32(1)


def values(name, shape, start, count, is_gemma):
    """bfloat16 bits of a run of a parameter's elements: products keep their inputs' size, norms are about 1."""
    drawn = noise(name, count, start)
    if "norm" in name or ".ln_q." in name:
        stored_from_one = is_gemma and "layer_norm" not in name and "post_layernorm" not in name
        drawn = drawn * np.float32(0.2) + np.float32(0 if stored_from_one or name.endswith("bias") else 1)
    elif name.endswith("bias"):
        drawn *= np.float32(0.1)
    else:
        width = 1 if "embed_tokens" in name else shape[0] if name.endswith("mm_input_projection_weight") else int(np.prod(shape[1:]))
        drawn *= np.float32(0.02 if width == 1 else (3 / width) ** 0.5)
    bits = drawn.view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)).astype(np.uint16)


def main(model, like, out, headers, layers):
    os.makedirs(out, exist_ok=True)
    config = json.loads(json.dumps(TRUE[model]))
    if layers is not None:
        config.get("text_config", config)["num_hidden_layers"] = layers
        config["vision_config"]["depth" if "depth" in config["vision_config"] else "num_hidden_layers"] = layers
        if "deepstack_visual_indexes" in config["vision_config"]:
            config["vision_config"]["deepstack_visual_indexes"] = list(range(min(3, layers)))
    small = json.load(open(os.path.join(like, "config.json")))
    config.update({key: value for key, value in small.items() if key.endswith(("_token_id", "_token_index"))})
    json.dump(config, open(os.path.join(out, "config.json"), "w"), indent=1)
    for name in COMPANIONS:
        if os.path.exists(os.path.join(like, name)):
            shutil.copy(os.path.join(like, name), out)
    if config["model_type"] == "gemma3":
        side = config["vision_config"]["image_size"]
        change(out, "processor_config.json", {"image_seq_length": config["mm_tokens_per_image"]})
        change(out, "preprocessor_config.json", {"image_seq_length": config["mm_tokens_per_image"], "size": {"height": side, "width": side}})
    if config["model_type"] == "idefics3":
        side = config["vision_config"]["image_size"]
        length = (side // config["vision_config"]["patch_size"] // config["scale_factor"]) ** 2
        change(out, "processor_config.json", {"image_seq_len": length})
        change(out, "preprocessor_config.json", {"max_image_size": {"longest_edge": side}, "size": {"longest_edge": 4 * side}})
    with torch.device("meta"):
        meta = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(out))
    tensors = {name: list(tensor.shape) for name, tensor in meta.state_dict().items()
               if name != "lm_head.weight" or config.get("tie_word_embeddings") is False}
    shards, size = [[]], 0
    for name, shape in tensors.items():
        bytes_ = 2 * int(np.prod(shape))
        if size + bytes_ > SHARD_BYTES and shards[-1]:
            shards.append([])
            size = 0
        shards[-1].append(name)
        size += bytes_
    weight_map = {}
    for at, names in enumerate(shards):
        file = f"model-{at + 1:05d}-of-{len(shards):05d}.safetensors"
        write_shard(os.path.join(out, file), {name: tensors[name] for name in names}, config["model_type"] == "gemma3", headers)
        weight_map.update(dict.fromkeys(names, file))
    total = sum(2 * int(np.prod(shape)) for shape in tensors.values())
    json.dump({"metadata": {"total_size": total}, "weight_map": weight_map}, open(os.path.join(out, "model.safetensors.index.json"), "w"), indent=1)
    print(f"{out}: {total / 2e9:.3f} G parameters, {len(shards)} files")


def change(folder, name, values):
    """Sets those of the keys that a JSON file has."""
    path = os.path.join(folder, name)
    known = json.load(open(path))
    known.update({key: value for key, value in values.items() if key in known})
    json.dump(known, open(path, "w"), indent=1)


def write_shard(path, tensors, is_gemma, headers):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors.items():
        end = offset + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        if headers:
            file.truncate(8 + len(text) + offset)
            return
        for name, shape in tensors.items():
            count = int(np.prod(shape))
            for start in range(0, count, 2**24):
                file.write(values(name, shape, start, min(2**24, count - start), is_gemma).tobytes())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=TRUE)
    parser.add_argument("like")
    parser.add_argument("out")
    parser.add_argument("--headers", action="store_true")
    parser.add_argument("--layers", type=int)
    args = parser.parse_args()
    main(args.model, args.like, args.out, args.headers, args.layers)
