"""NF4 cases that the golden set does not have, by transformers and PEFT in float32 over dequantised weights.

    python nf4_cases.py <golden folder> <output folder>

gemma3.{json,safetensors}   gemma3-tiny (float32) with every linear module in NF4 but lm_head, the vision tower's too: loss, gradient norm, logits and every gradient of
                            the adapters all_linear and dora, batch s00 + s01, each row by itself, token mean over both.
gemma3-tiny-bnb-4bit/       gemma3-tiny-bf16 as bitsandbytes saves it, without double quantisation and with blocks of 128, language model's linear modules only.
gemma3_stored.{json,safetensors}   the same figures of that folder, for all_linear.
arrays.{json,safetensors}   codes, scales and offsets of matrices in bf16 and f16, of values that lie on boundaries; means of up to 300 000 scales.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from nf4_blocks import dequantise, quantise
from transformers import AutoModelForImageTextToText

torch.manual_seed(11)
torch.set_num_threads(1)
golden, out = Path(sys.argv[1]), Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
matrices = load_file(golden / "nf4" / "matrices.safetensors")
CODE = matrices["nf4_code"]


def packed(codes):
    if len(codes) % 2:
        codes = torch.cat([codes, torch.tensor([7], dtype=torch.uint8)])
    return (codes[::2] << 4 | codes[1::2]).unsqueeze(1)


def linears(model):
    return {name: module for name, module in model.named_modules() if type(module) is torch.nn.Linear and name != "lm_head"}


def measure(model, adapter):
    model = PeftModel.from_pretrained(model, golden / "golden" / "gemma3-tiny" / "lora" / adapter, is_trainable=True).eval()
    rows = [load_file(golden / "golden" / "gemma3-tiny" / "cases" / f"{case}.safetensors") for case in ("s00_single", "s01_single")]
    count = sum((row["labels_completion"][:, 1:] != -100).sum() for row in rows)
    total, logits = 0.0, []
    for row in rows:
        inputs = {name: row[name] for name in ("input_ids", "attention_mask", "token_type_ids", "pixel_values")}
        labels = row["labels_completion"]
        answer = model(**inputs).logits
        at = (labels[:, 1:] != -100).nonzero(as_tuple=True)
        picked = answer[:, :-1][at]
        loss = torch.nn.functional.cross_entropy(picked, labels[:, 1:][at], reduction="sum") / count
        loss.backward()
        total += loss.item()
        logits.append(picked.detach())
    grads = {name.replace(".default", "").replace("magnitude_vector.weight", "magnitude_vector"): p.grad for name, p in model.named_parameters() if p.requires_grad}
    norm = torch.sqrt(sum((grad.double() ** 2).sum() for grad in grads.values())).item()
    return dict(loss=total, grad_norm=norm), {f"{adapter}.logits": torch.cat(logits)} | {f"{adapter}.{name}": grad for name, grad in grads.items()}


def load(folder):
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def gemma3():
    facts, tensors = {}, {}
    for adapter in ("all_linear", "dora"):
        model = load(golden / "models" / "gemma3-tiny")
        for module in linears(model).values():
            module.weight.data = dequantise(module.weight.data, matrices)
        facts["quantised"] = len(linears(model))
        facts[adapter], more = measure(model, adapter)
        tensors |= more
    (out / "gemma3.json").write_text(json.dumps(facts, indent=1))
    save_file(tensors, out / "gemma3.safetensors")


def stored():
    source = golden / "models" / "gemma3-tiny-bf16"
    folder = out / "gemma3-tiny-bnb-4bit"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors*"))
    weights = {}
    for file in sorted(source.glob("*.safetensors")):
        weights |= load_file(file)
    kept, dequantised = {}, {}
    for name, weight in weights.items():
        inner = name.removesuffix(".weight").rsplit(".", 1)[-1]
        if "language_model" not in name or not inner.endswith("_proj"):
            kept[name] = weight
            continue
        arrays, _ = quantise(weight, matrices, 128, False)
        state = dict(quant_type="nf4", blocksize=128, dtype="bfloat16", shape=list(weight.shape))
        kept |= {name: packed(arrays["codes"]), f"{name}.absmax": arrays["absmax"], f"{name}.quant_map": CODE.clone()}
        kept[f"{name}.quant_state.bitsandbytes__nf4"] = torch.tensor(list(json.dumps(state).encode()), dtype=torch.uint8)
        dequantised[name] = dequantise(weight, matrices, 128, False)
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = dict(
        quant_method="bitsandbytes", load_in_4bit=True, load_in_8bit=False, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=False,
        bnb_4bit_compute_dtype="bfloat16", llm_int8_skip_modules=["lm_head", "vision_tower", "multi_modal_projector"],
    )
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    model = load(source)
    modules = linears(model)
    for name, weight in dequantised.items():
        ending = name.split("layers.", 1)[1].removesuffix(".weight")
        found = [module for path, module in modules.items() if "language_model" in path and path.endswith(f"layers.{ending}")]
        assert len(found) == 1 and found[0].weight.shape == weight.shape, name
        found[0].weight.data = weight.float()
    facts, tensors = measure(model, "all_linear")
    (out / "gemma3_stored.json").write_text(json.dumps(dict(quantised=len(dequantised), all_linear=facts), indent=1))
    save_file(tensors, out / "gemma3_stored.safetensors")


def arrays():
    tensors, facts = {}, {}
    bounds = (CODE[:-1] + CODE[1:]) / 2
    near = torch.cat([torch.nextafter(bounds, bounds - 1), bounds, torch.nextafter(bounds, bounds + 1), torch.ones(1)])
    cases = dict(
        bf16=torch.randn(96, 104).bfloat16() * 0.03,
        f16=(torch.randn(64, 72) * 0.05).half(),
        f16_small=(torch.randn(16, 64) * 3e-7).half(),
        bf16_odd=torch.randn(13, 27).bfloat16(),
        bf16_wide_range=(torch.randn(64, 64) * torch.exp(6 * torch.randn(64, 64))).bfloat16(),
        bf16_extreme=torch.cat([torch.randn(4, 64) * 1e-37, torch.randn(4, 64) * 1e37, torch.zeros(2, 64), torch.randn(2, 64) * 1e-40]).bfloat16(),
        boundaries=torch.cat([near, near * 0.37, near * 3.1, near * 1e-3]).reshape(4, -1),
    )
    for name, weight in cases.items():
        found, _ = quantise(weight, matrices)
        tensors |= {f"{name}.weight": weight, f"{name}.packed": packed(found["codes"])}
        tensors |= {f"{name}.{key}": value for key, value in found.items() if key != "codes"}
    # Means of as many scales as a matrix of a 7B model has, in torch's order of additions.
    for count in (1, 7, 8, 63, 64, 65, 1000, 4096, 65537, 300001):
        values = (torch.arange(count) * 2654435761 % 2**24 + 1).float() * 2**-26
        facts[str(count)] = values.mean().item()
    (out / "arrays.json").write_text(json.dumps(facts, indent=1))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, out / "arrays.safetensors")


arrays()
gemma3()
stored()
