"""The same work in PyTorch, for `node dist/bench.js --gpu`: products, and LoRA training steps of the same shapes with transformers and
PEFT.

Reads {"seconds", "device", "products": [[m, n, k]], "models": [{"name", "config", "example", "storages"}]} from standard input and writes a
JSON object a line: {"kind": "about"|"product"|"step"|"note", ...}. Random weights, made on the device; the time of a step is the median of
steps that are waited for."""

import copy
import json
import statistics
import sys
import time

began = time.monotonic()
asked = json.load(sys.stdin)


def say(**facts):
    print(json.dumps(facts), flush=True)


def left():
    return asked["seconds"] - (time.monotonic() - began)


import torch  # noqa: E402

device = asked["device"]
is_gpu = device == "cuda"
name = torch.cuda.get_device_name(0) if is_gpu else "cpu"
say(kind="about", torch=torch.__version__, device=name)
torch.backends.cuda.matmul.allow_tf32 = False


if not is_gpu:
    torch.set_num_threads(1)


def wait():
    if is_gpu:
        torch.cuda.synchronize()


def median_ms(run, samples=5, sample_seconds=0.1):
    run()
    wait()
    start = time.monotonic()
    run()
    wait()
    repeats = max(1, min(500, round(sample_seconds / max(1e-6, time.monotonic() - start))))
    times = []
    for _ in range(samples):
        start = time.monotonic()
        for _ in range(repeats):
            run()
        wait()
        times.append((time.monotonic() - start) / repeats * 1e3)
    return statistics.median(times)


def products():
    for m, n, k in asked["products"]:
        for label, dtype in [("f32", torch.float32), ("f16", torch.float16), ("bf16", torch.bfloat16)]:
            if left() < 5:
                say(kind="note", text=f"no time for the product {m}×{n}×{k} in {label}")
                return
            if not is_gpu and label == "f16":
                continue
            a = torch.randn(m, k, device=device, dtype=dtype)
            b = torch.randn(n, k, device=device, dtype=dtype).T
            say(kind="product", m=m, n=n, k=k, dtype=label, ms=median_ms(lambda: torch.mm(a, b)))


def model_of(config):
    import transformers

    config = copy.deepcopy(config)
    kind = config.pop("model_type")
    # What transformers asks for and our shapes leave to its defaults.
    built = transformers.AutoConfig.for_model(kind, **config)
    built._attn_implementation = "sdpa"
    classes = {"qwen2_5_vl": "Qwen2_5_VLForConditionalGeneration", "gemma3": "Gemma3ForConditionalGeneration"}
    with torch.device(device):
        torch.set_default_dtype(torch.bfloat16)
        try:
            return getattr(transformers, classes[kind])(built)
        finally:
            torch.set_default_dtype(torch.float32)


def quantised(model):
    import bitsandbytes as bnb

    for path, module in list(model.named_modules()):
        if not isinstance(module, torch.nn.Linear) or path.endswith("lm_head"):
            continue
        new = bnb.nn.Linear4bit(
            module.in_features,
            module.out_features,
            bias=module.bias is not None,
            compute_dtype=torch.bfloat16,
            compress_statistics=True,
            quant_type="nf4",
        )
        new.weight = bnb.nn.Params4bit(module.weight.data.cpu(), requires_grad=False, compress_statistics=True, quant_type="nf4")
        if module.bias is not None:
            new.bias = torch.nn.Parameter(module.bias.data, requires_grad=False)
        parent, _, child = path.rpartition(".")
        setattr(model.get_submodule(parent), child, new.to(device))
    model.is_loaded_in_4bit = True
    return model


def inputs_of(example, config):
    image = example["imageToken"]
    if example["family"] == "qwen2_5_vl":
        t, h, w = example["grid"]
        features = t * h * w // 4
        vision = {
            "pixel_values": torch.randn(t * h * w, 1176, device=device, dtype=torch.bfloat16),
            "image_grid_thw": torch.tensor([[t, h, w]], device=device),
        }
    else:
        features = example["features"]
        side = example["side"] * 14
        vision = {"pixel_values": torch.randn(1, 3, side, side, device=device, dtype=torch.bfloat16)}
    total = example["textTokens"] + features
    ids = [image if 10 <= i < 10 + features else 100 + (i * 37) % 500 for i in range(total)]
    labels = [-100 if i < total - example["labelled"] else token for i, token in enumerate(ids)]
    batch = {"input_ids": torch.tensor([ids], device=device), "labels": torch.tensor([labels], device=device), **vision}
    batch["attention_mask"] = torch.ones_like(batch["input_ids"])
    types = (batch["input_ids"] == image).long()
    batch["mm_token_type_ids" if example["family"] == "qwen2_5_vl" else "token_type_ids"] = types
    return batch


def step_ms(spec, storage):
    import inspect

    import peft

    model = model_of(spec["config"])
    if storage == "nf4":
        model = quantised(model)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    accepted = set(inspect.signature(type(model).forward).parameters)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.config.use_cache = False
    model = peft.get_peft_model(model, peft.LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    batch = {key: value for key, value in inputs_of(spec["example"], spec["config"]).items() if key in accepted}
    times = []
    for step in range(7):
        if times and left() < 2 * times[-1] / 1e3:
            break
        wait()
        start = time.monotonic()
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        optimizer.step()
        optimizer.zero_grad()
        wait()
        times.append((time.monotonic() - start) * 1e3)
    kept = times[2:] or times[-1:]
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad) if storage == "bf16" else None
    return {
        "ms": statistics.median(kept),
        "steps": len(kept),
        "tokens": int(batch["input_ids"].numel()),
        "loss": loss.item(),
        "frozen": frozen,
    }


def steps():
    for spec in asked["models"]:
        for storage in spec["storages"]:
            if left() < 20 and is_gpu:
                say(kind="note", text=f"no time for {spec['name']}, {storage}")
                continue
            try:
                if is_gpu:
                    torch.cuda.reset_peak_memory_stats()
                facts = step_ms(spec, storage)
                peak = torch.cuda.max_memory_allocated() if is_gpu else 0
                say(kind="step", name=spec["name"], storage=storage, peakBytes=peak, **facts)
            except ImportError as error:
                say(kind="note", text=f"{spec['name']}, {storage}: {error}")
            except Exception as error:  # one that fails must not cost the others
                say(
                    kind="note",
                    text=f"{spec['name']}, {storage}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
                )
            if is_gpu:
                torch.cuda.empty_cache()


products()
steps()
