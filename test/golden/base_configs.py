"""
Tiny models of the families in random configurations, with the loss that transformers gives (float32).

    python test/golden/base_configs.py OUT.json COUNT SEED [FAMILY ...]

Written are the configurations and the losses alone: weights, ids and pixels are numbers that a hash makes of a parameter's name and an index, so that
test/models/baseConfigs.test.ts makes the same. What varies: where RoPE's settings stand and which scaling they name, layer types, windows, head sizes, biases, the
tied head and what the file holds in spite of it (`head`: none, own, copy of the table, only the head), flat and nested layouts, keys left out.
test/golden/bases/configs.json: COUNT 72, SEED 1; the families are the first four where none is named. test/golden/bases/qwen3.json: 40 1 qwen3 qwen3_vl;
test/golden/bases/llama.json: 20 1 llama.
"""
import json
import math
import os
import random
import sys
import tempfile

import numpy as np
import torch

torch.library.define("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
torch.set_num_threads(1)

from safetensors.torch import save_file  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText  # noqa: E402
from transformers.utils import logging  # noqa: E402

logging.set_verbosity_error()
logging.disable_progress_bar()
TOKENS, VOCAB, IMAGE = 40, 64, 60


def noise(name, count):
    """count numbers in (-1, 1): lowbias32 of the index, counted on from a hash of the name (FNV-1a)."""
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) & 0xFFFFFFFF
    with np.errstate(over="ignore"):
        x = np.arange(count, dtype=np.uint32) + np.uint32(seed)
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x7FEB352D)
        x ^= x >> np.uint32(15)
        x *= np.uint32(0x846CA68B)
        x ^= x >> np.uint32(16)
    return x.astype(np.float64) / 2**31 - 1


def values(name, shape, is_gemma):
    """A parameter's values, by its name in transformers 4.52 to 4.57."""
    drawn = noise(name, math.prod(shape)).reshape(shape)
    if "norm" in name or ".ln_q." in name:
        if name.endswith("bias"):
            return drawn * 0.3
        return 0.2 * drawn if is_gemma and "layer_norm" not in name and "post_layernorm" not in name else 1 + 0.2 * drawn
    if name.endswith("bias"):
        return drawn * 0.3
    width = shape[0] if name.endswith("mm_input_projection_weight") else math.prod(shape[1:])
    return drawn if "embed" in name else drawn * 2 / math.sqrt(width)


def rope(r, kinds, theta):
    kind = r.choice(kinds)
    out = {r.choice(["rope_type", "type"]): kind}
    if r.random() < 0.2:
        out |= {"rope_type": kind, "type": kind}
    if kind != "default":
        out["factor"] = r.choice([1.5, 2.0, 4, 8.0])
    if kind == "yarn":
        for key, options in dict(original_max_position_embeddings=[8, 16, 24], beta_fast=[8, 32, 4.0], beta_slow=[1, 2], attention_factor=[0.8, 1.3]).items():
            if r.random() < 0.5:
                out[key] = r.choice(options)
        if r.random() < 0.3:
            out |= {"mscale": r.choice([0.7, 1.0]), "mscale_all_dim": r.choice([0.5, 1.0])}
    if kind == "llama3":
        out |= {"low_freq_factor": 1.0, "high_freq_factor": r.choice([2.0, 4.0])}
        out["original_max_position_embeddings"] = r.choice([8, 16, 64])
    if theta and r.random() < 0.5:
        out["rope_theta"] = r.choice([50, 1e4, 5e5])
    return out


def maybe(r, config, key, options, chance=0.5):
    if r.random() < chance:
        config[key] = r.choice(options)


SCALED = ["default", "linear", "yarn", "llama3"]


def qwen_text(r, heads=(2, 4)):
    heads = r.choice(heads)
    layers = r.choice([2, 3])
    config = dict(vocab_size=VOCAB, hidden_size=heads * 8, num_attention_heads=heads, num_key_value_heads=r.choice([1, 2]), intermediate_size=24,
                  num_hidden_layers=layers, max_position_embeddings=r.choice([32, 64, 128]))
    maybe(r, config, "rms_norm_eps", [1e-6, 1e-5, 1e-2])
    maybe(r, config, "rope_theta", [50, 1e4, 5e5])
    maybe(r, config, "hidden_act", ["silu", "swish"], 0.3)
    if r.random() < 0.6:
        config["use_sliding_window"] = r.choice([True, False, True])
        maybe(r, config, "sliding_window", [5, 9], 0.9)
        maybe(r, config, "max_window_layers", [0, 1, 2], 0.8)
        if config["use_sliding_window"] and config.get("sliding_window") and r.random() < 0.3:
            config["layer_types"] = [r.choice(["full_attention", "sliding_attention"]) for _ in range(layers)]
    return config


def qwen_rope(r, config, own=None, is_called_mrope=True):
    """rope_parameters, rope_scaling, or both of them, which differ."""
    for key, chance in (("rope_parameters", 0.5), ("rope_scaling", 0.6)):
        if r.random() < chance:
            config[key] = rope(r, SCALED, True) | (own or {})
            if own and is_called_mrope and config[key].get("rope_type", config[key].get("type")) == "default" and r.random() < 0.5:
                config[key] = {"type": "mrope"} | own
    if "rope_scaling" in config and r.random() < 0.1:
        config["rope_scaling"] = None
    maybe(r, config, "original_max_position_embeddings", [12, 20], 0.15)


def qwen2(r):
    config = qwen_text(r) | {"model_type": "qwen2"}
    maybe(r, config, "head_dim", [8, 16], 0.3)
    maybe(r, config, "tie_word_embeddings", [True, False], 0.8)
    qwen_rope(r, config)
    return config


def qwen2_5_vl(r):
    text = qwen_text(r)
    qwen_rope(r, text, {"mrope_section": r.choice([[1, 1, 2], [2, 1, 1]])})
    if not any((text.get(k) or {}).get("mrope_section") for k in ("rope_parameters", "rope_scaling")) or (
        text.get("rope_scaling") is None and not (text.get("rope_parameters") or {}).get("mrope_section")
    ):
        text["rope_scaling"] = {"type": "mrope", "mrope_section": [1, 1, 2]}
    vision = dict(depth=2, hidden_size=16, num_heads=2, intermediate_size=24, out_hidden_size=text["hidden_size"], patch_size=4, window_size=16,
                  fullatt_block_indexes=[r.choice([0, 1])])
    maybe(r, vision, "rope_theta", [50, 1e4], 0.2)
    maybe(r, vision, "rope_parameters", [{"rope_type": "axial", "rope_theta": 30}, {"rope_type": "default"}], 0.2)
    config = dict(model_type="qwen2_5_vl", vision_config=vision, image_token_id=IMAGE, video_token_id=61, vision_start_token_id=62, vision_end_token_id=63)
    maybe(r, config, "tie_word_embeddings", [True, False], 0.7)
    if r.random() < 0.5:
        maybe(r, text, "tie_word_embeddings", [True, False], 0.4)
        if r.random() < 0.2:
            config |= {"rope_scaling": {"type": "linear", "factor": 4.0}, "rope_theta": 77}  # beside text_config: of no effect
        return config | {"text_config": text | {"model_type": "qwen2_5_vl_text"}}
    return config | text


def gemma_text(r):
    heads = r.choice([2, 4])
    layers = r.choice([2, 3])
    config = dict(vocab_size=VOCAB, hidden_size=heads * r.choice([6, 8]), num_attention_heads=heads, num_key_value_heads=r.choice([1, 2]), head_dim=r.choice([8, 16]),
                  intermediate_size=24, num_hidden_layers=layers, max_position_embeddings=r.choice([32, 64]), sliding_window=r.choice([5, 9]))
    maybe(r, config, "rms_norm_eps", [1e-6, 1e-2])
    maybe(r, config, "query_pre_attn_scalar", [8, 100])
    maybe(r, config, "attention_bias", [True, False])
    maybe(r, config, "rope_theta", [50, 1e4], 0.4)
    maybe(r, config, "rope_local_base_freq", [20, 1e3], 0.4)
    if r.random() < 0.5:
        config["sliding_window_pattern"] = r.choice([1, 2])
    elif r.random() < 0.5:
        config["layer_types"] = [r.choice(["full_attention", "sliding_attention"]) for _ in range(layers)]
    if r.random() < 0.5:
        scaled = [kind for kind in SCALED]
        config["rope_parameters"] = {"full_attention": rope(r, scaled, True), "sliding_attention": rope(r, scaled, True)}
        if r.random() < 0.2:
            config["rope_parameters"]["sliding_attention"] = None
    if r.random() < 0.4:
        full = (config.get("rope_parameters") or {}).get("full_attention", {})
        config["rope_scaling"] = rope(r, SCALED, True) if not full else {"factor": 3.0} if "factor" in full else {"rope_theta": 40}
        if not full and "type" in config["rope_scaling"]:  # transformers does not read it there; Vernier refuses it
            config["rope_scaling"]["rope_type"] = config["rope_scaling"].pop("type")
    return config


def gemma3_text(r):
    config = gemma_text(r) | {"model_type": "gemma3_text"}
    maybe(r, config, "tie_word_embeddings", [True, False])
    maybe(r, config, "final_logit_softcapping", [4.0], 0.3)
    return config


def gemma3(r):
    text = gemma_text(r) | {"model_type": "gemma3_text"}
    vision = dict(model_type="siglip_vision_model", hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=16, patch_size=4,
                  vision_use_head=False)
    maybe(r, vision, "hidden_act", ["gelu", "gelu_pytorch_tanh", "quick_gelu"], 0.4)
    maybe(r, vision, "layer_norm_eps", [1e-6, 1e-3], 0.4)
    config = dict(model_type="gemma3", text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=IMAGE, boi_token_index=61, eoi_token_index=62)
    maybe(r, config, "tie_word_embeddings", [True, False])
    maybe(r, text, "tie_word_embeddings", [True, False], 0.4)
    return config


def qwen3(r):
    config = qwen_text(r) | {"model_type": "qwen3", "head_dim": r.choice([4, 8, 16])}
    maybe(r, config, "attention_bias", [True, False])
    maybe(r, config, "tie_word_embeddings", [True, False], 0.8)
    qwen_rope(r, config)
    return config


def llama(r):
    config = qwen_text(r) | {"model_type": "llama"}
    for key in ("use_sliding_window", "sliding_window", "max_window_layers", "layer_types"):
        config.pop(key, None)
    if r.random() < 0.3:
        config.pop("num_key_value_heads")
    maybe(r, config, "head_dim", [4, 8, 16, None])
    for key in ("attention_bias", "mlp_bias"):
        maybe(r, config, key, [True, False])
    maybe(r, config, "hidden_act", ["silu", "gelu_pytorch_tanh"], 0.3)
    maybe(r, config, "tie_word_embeddings", [True, False], 0.8)
    qwen_rope(r, config)
    return config


def qwen3_vl(r):
    text = qwen_text(r) | {"head_dim": r.choice([8, 12, 16])}
    for key in ("use_sliding_window", "sliding_window", "max_window_layers", "layer_types"):
        text.pop(key, None)
    maybe(r, text, "attention_bias", [True, False])
    sections = {"mrope_section": r.choice([[2, 1, 1], [1, 2, 1], [4, 2, 2], [8, 0, 1], [1, 3, 3]])}
    qwen_rope(r, text, sections | ({"mrope_interleaved": True} if r.random() < 0.6 else {}), is_called_mrope=False)
    depth = r.choice([2, 3])
    deep = r.sample(range(depth), r.choice([0, 1, 2]))
    vision = dict(depth=depth, hidden_size=16, num_heads=r.choice([1, 2, 4]), intermediate_size=24, out_hidden_size=text["hidden_size"], patch_size=4,
                  num_position_embeddings=r.choice([1, 4, 9, 11, 25]), deepstack_visual_indexes=deep)
    maybe(r, vision, "rope_theta", [50, 1e4], 0.2)
    maybe(r, vision, "rope_parameters", [{"rope_type": "axial", "rope_theta": 30}, {"rope_type": "default"}], 0.2)
    maybe(r, vision, "hidden_act", ["gelu", "gelu_pytorch_tanh", "quick_gelu", "silu"], 0.4)
    config = dict(model_type="qwen3_vl", vision_config=vision, image_token_id=IMAGE, video_token_id=61, vision_start_token_id=62, vision_end_token_id=63)
    maybe(r, config, "tie_word_embeddings", [True, False], 0.7)
    maybe(r, text, "tie_word_embeddings", [True, False], 0.4)
    return config | {"text_config": text | {"model_type": "qwen3_vl_text"}}


FAMILIES = {"qwen2": qwen2, "qwen2_5_vl": qwen2_5_vl, "gemma3": gemma3, "gemma3_text": gemma3_text, "qwen3": qwen3, "qwen3_vl": qwen3_vl, "llama": llama}
FIRST = list(FAMILIES)[:4]
QWEN_VL = ("qwen2_5_vl", "qwen3_vl")


def canonical(name, model_type):
    return name.replace("vision_tower.", "vision_tower.vision_model.") if model_type == "gemma3" else name


def inputs(model_type, has_image):
    """Ids, labels of the second half, and with an image what the model wants of it."""
    ids = ((noise("ids", TOKENS) + 1) * 29).astype(np.int64)  # below 58: no special one
    labels = np.where(np.arange(TOKENS) < TOKENS // 2, -100, ids)
    extra = {}
    if has_image:
        start = 6
        ids[start : start + 4] = IMAGE
        if model_type in QWEN_VL:
            ids[start - 1] = 62
            extra["pixel_values"] = torch.tensor(noise("pixels", 16 * 96).reshape(16, 96), dtype=torch.float32)
            extra["image_grid_thw"] = torch.tensor([[1, 4, 4]])
            extra["mm_token_type_ids"] = torch.tensor((ids == IMAGE).astype(np.int64))[None]
        else:
            extra["pixel_values"] = torch.tensor(noise("pixels", 3 * 256).reshape(1, 3, 16, 16), dtype=torch.float32)
            extra["token_type_ids"] = torch.tensor((ids == IMAGE).astype(np.int64))[None]
    return dict(input_ids=torch.tensor(ids)[None], labels=torch.tensor(labels)[None], **extra)


def measure(config, head, has_image):
    model_type = config["model_type"]
    auto = AutoModelForImageTextToText if model_type in ("gemma3", *QWEN_VL) else AutoModelForCausalLM
    with tempfile.TemporaryDirectory() as folder:
        json.dump(config, open(f"{folder}/config.json", "w"))
        built = auto.from_config(AutoConfig.from_pretrained(folder))
        tensors = {}
        for name, tensor in built.named_parameters(remove_duplicate=False):
            tensors[name] = torch.tensor(values(canonical(name, model_type), tensor.shape, model_type.startswith("gemma")), dtype=torch.float32)
        table = next(name for name in tensors if name.endswith("embed_tokens.weight"))
        if head == "none":
            del tensors["lm_head.weight"]
        elif head == "copy":
            tensors["lm_head.weight"] = tensors[table].clone()
        elif head == "only":
            tensors["lm_head.weight"] = tensors.pop(table)
        save_file(tensors, f"{folder}/model.safetensors", metadata={"format": "pt"})
        model = auto.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        loss = model(**inputs(model_type, has_image)).loss.item()
    return loss, model.lm_head.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()


def ties(config):
    if config["model_type"] == "qwen2_5_vl":
        return bool(config.get("tie_word_embeddings") or (config.get("text_config") or {}).get("tie_word_embeddings"))
    return config.get("tie_word_embeddings", config["model_type"].startswith("gemma"))


def main():
    out, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    names = sys.argv[4:] or FIRST
    r = random.Random(seed)
    cases = []
    while len(cases) < count:
        model_type = names[len(cases) % len(names)]
        config = FAMILIES[model_type](r)
        head = r.choice(["none", "own", "copy", "only"]) if ties(config) else "own"
        has_image = model_type in ("gemma3", *QWEN_VL) and r.random() < 0.5
        if model_type == "gemma3" and has_image and head == "only":
            head = "none"
        loss, tied = measure(config, head, has_image)
        cases.append(dict(config=config, head=head, image=has_image, loss=loss, tied=tied))
    with open(out, "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
