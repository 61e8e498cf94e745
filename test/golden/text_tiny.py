"""
Tiny text-only Qwen2, Qwen3 and Llama checkpoints with exact figures from transformers + PEFT: token ids, logits, losses, LoRA gradients, a short training
run, generation.

    python test/golden/text_tiny.py FAMILY TOKENIZER_FOLDER OUT MATRICES

FAMILY            qwen2, qwen3 or llama

TOKENIZER_FOLDER  a folder with a small Qwen tokenizer (tokenizer.json, tokenizer_config.json): test/golden/data/models/qwen2_5_vl-tiny
OUT               test/golden/FAMILY; for each variant a folder with the model, `adapter/`, `cases.json`, `golden.safetensors`
MATRICES          nf4/matrices.safetensors of the golden set: the gradients are made once more over what NF4 keeps of every linear layer but the head

Variants: `plain` (float32, tied head, the hub's configuration of transformers 4) and another (bfloat16, own head, transformers 5's configuration; a head size
that is not hidden_size / heads): `sliding` of the Qwens (one full layer, then sliding ones; linear RoPE scaling; Qwen3 with biases), `scaled` of Llama (Llama
3's RoPE scaling, biases everywhere, a template that writes <bos>). Arithmetic is float32 on one thread, and once more in float64
(with the float32 upcasts of RMSNorm replaced) from the same rotary tables: `noise` is the largest distance of the two, relative to the largest value.
"""
import json
import os
import shutil
import sys

import torch

torch.library.define("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402
from nf4_blocks import dequantise  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM,
)
from transformers.models.llama.modeling_llama import LlamaRMSNorm  # noqa: E402
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm  # noqa: E402
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm  # noqa: E402

torch.set_num_threads(1)
TEMPLATE = (
    "{%- if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}{%- if not (loop.first and message.role == 'system') %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
ROWS = [
    [("user", "What is the diameter of the ventricle, in mm?"), ("assistant", "12.5")],
    [("system", "Answer with a number."), ("user", "How long is the femur?"), ("assistant", "31.25, roughly"), ("user", "And the tibia?"), ("assistant", "27.5")],
    [("user", "Größe der Läsion — in Millimetern?\n\n(width × height)"), ("assistant", "4.5 x 3.25\n")],
    [("user", "Ok?"), ("assistant", "Yes, that angle measures 35.2 degrees; the distance is 8.0 mm.")],
]
SMALL = dict(vocab_size=640, hidden_size=48, intermediate_size=96, max_position_embeddings=512, bos_token_id=600, eos_token_id=602)
VARIANTS = {
    "plain": dict(
        **SMALL, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
    ),
    "sliding": dict(
        **SMALL, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=16, tie_word_embeddings=False,
        rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}, use_sliding_window=True, sliding_window=9, max_window_layers=1,
    ),
}
FAMILY = sys.argv[1]
CONFIG, MODEL, NORM, NAME = {
    "qwen2": (Qwen2Config, Qwen2ForCausalLM, Qwen2RMSNorm, "Qwen2"),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM, Qwen3RMSNorm, "Qwen3"),
    "llama": (LlamaConfig, LlamaForCausalLM, LlamaRMSNorm, "Llama"),
}[FAMILY]
HUB = {"rope_theta": 1000000.0, "sliding_window": 32768, "use_sliding_window": False, "max_window_layers": 2}
if FAMILY == "qwen3":
    VARIANTS["plain"] |= dict(head_dim=20)
    VARIANTS["sliding"] |= dict(attention_bias=True)
if FAMILY == "llama":
    HUB = {"rope_theta": 1000000.0, "rope_scaling": None, "attention_bias": False, "mlp_bias": False, "pretraining_tp": 1}
    # The wavelengths of 16 values a head at this base: one kept, two in between, the others eight times as long.
    rope = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64, rope_theta=10000.0)
    scaled = {key: value for key, value in VARIANTS.pop("sliding").items() if "window" not in key}
    VARIANTS["scaled"] = scaled | dict(rope_parameters=rope, attention_bias=True, mlp_bias=True)
    TEMPLATE = "{{- bos_token }}" + TEMPLATE
ROWS_OF_LOGITS = 5  # of each case, to keep the files small
TRAINING = dict(steps=5, base_lr=0.01, max_grad_norm=0.3, micro_batch=2, grad_accum=2)


def norm64(self, hidden_states):
    variance = hidden_states.pow(2).mean(-1, keepdim=True)
    return self.weight * (hidden_states * torch.rsqrt(variance + self.variance_epsilon))


def random_model(config, seed):
    torch.manual_seed(seed)
    model = MODEL(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.copy_(1 + 0.2 * torch.randn_like(weight))
            elif name.endswith("bias"):
                weight.copy_(0.3 * torch.randn_like(weight))
            else:
                weight.copy_(0.15 * torch.randn_like(weight))
    return model


def write_model(variant, tokenizer_dir, out):
    config = CONFIG(**VARIANTS[variant])
    model = random_model(config, 7)
    if variant != "plain":
        model = model.to(torch.bfloat16)
        model.save_pretrained(out)
    else:
        tensors = {name: value.contiguous() for name, value in model.state_dict().items() if name != "lm_head.weight"}
        os.makedirs(out, exist_ok=True)
        save_file(tensors, f"{out}/model.safetensors", metadata={"format": "pt"})
        hub = {"architectures": [f"{NAME}ForCausalLM"], "model_type": FAMILY, "attention_dropout": 0.0, "hidden_act": "silu", "initializer_range": 0.02}
        hub |= {k: v for k, v in VARIANTS[variant].items() if k != "rope_parameters"}
        hub |= {"rms_norm_eps": 1e-06} | HUB
        hub |= {"torch_dtype": "float32", "transformers_version": "4.43.1", "use_cache": True}
        with open(f"{out}/config.json", "w") as file:
            json.dump(hub, file, indent=2)
    with open(f"{out}/generation_config.json", "w") as file:
        json.dump({"bos_token_id": 600, "pad_token_id": 600, "eos_token_id": [602, 600], "do_sample": False}, file, indent=2)
    shutil.copyfile(f"{tokenizer_dir}/tokenizer.json", f"{out}/tokenizer.json")
    with open(f"{tokenizer_dir}/tokenizer_config.json") as file:
        settings = json.load(file)
    settings.pop("processor_class", None)
    settings["chat_template"] = TEMPLATE
    if "bos_token" in TEMPLATE:
        settings["bos_token"] = "<|endoftext|>"
    with open(f"{out}/tokenizer_config.json", "w") as file:
        json.dump(settings, file)
    for name in os.listdir(out):
        os.chmod(f"{out}/{name}", 0o644)


def encode(tokenizer, row):
    """Ids of a conversation, and labels for what the assistant says, its end of turn included."""
    messages = [{"role": role, "content": text} for role, text in row]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    coded = tokenizer(text, return_offsets_mapping=True)
    labels = [-100] * len(coded["input_ids"])
    for turn, (role, said) in enumerate(row):
        if role != "assistant":
            continue
        start = len(tokenizer.apply_chat_template(messages[:turn], tokenize=False, add_generation_prompt=True))
        end = start + len(said) + len("<|im_end|>")
        assert text[start:end] == said + "<|im_end|>"
        for i, (first, last) in enumerate(coded["offset_mapping"]):
            if first < end and last > start:
                labels[i] = coded["input_ids"][i]
    return messages, torch.tensor([coded["input_ids"]]), torch.tensor([labels])


def right_padded(rows, pad):
    width = max(ids.shape[1] for ids, _ in rows)
    fill = lambda x, value: torch.nn.functional.pad(x, (0, width - x.shape[1]), value=value)  # noqa: E731
    ids = torch.cat([fill(ids, pad) for ids, _ in rows])
    labels = torch.cat([fill(labels, -100) for _, labels in rows])
    mask = torch.cat([fill(torch.ones_like(ids), 0) for ids, _ in rows])
    return ids, labels, mask


def token_losses(model, ids, labels, mask):
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
    wanted = labels[:, 1:]
    keep = wanted != -100
    return logits[keep], torch.nn.functional.cross_entropy(logits[keep], wanted[keep], reduction="none")


def in_precision(folder, dtype, adapter=None, matrices=None):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if matrices:
        stored = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")  # what is dequantised has the checkpoint's dtype
        for name, module in model.named_modules():
            if type(module) is torch.nn.Linear and name != "lm_head":
                module.weight.data = dequantise(stored.get_submodule(name).weight.data, matrices).float()
    if adapter:
        model = PeftModel.from_pretrained(model, adapter, is_trainable=True)
    model.eval()
    if dtype == torch.float64:
        model.double()
        rotary = (model.base_model.model if adapter else model).model.rotary_emb
        inv_freq = rotary.inv_freq.float()
        rotary.inv_freq = inv_freq  # the same tables in both precisions
    return model


class Precise:
    """RMSNorm without its float32 upcast."""

    def __enter__(self):
        self.forward = NORM.forward
        NORM.forward = norm64

    def __exit__(self, *_):
        NORM.forward = self.forward


def both(function):
    """The function's result in float32 and in float64."""
    single = function(torch.float32)
    with Precise():
        return single, function(torch.float64)


def noise(single, double):
    return ((single.double() - double).abs().max() / double.abs().max()).item()


def write_adapter(folder, out):
    torch.manual_seed(11)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.copy_(0.1 * torch.randn_like(weight))
    model.peft_config["default"].base_model_name_or_path = os.path.basename(folder)
    model.save_pretrained(out)
    os.remove(f"{out}/README.md")
    with open(f"{out}/adapter_config.json") as file:
        config = json.load(file)
    config["target_modules"].sort()  # a set, in an order that changes
    with open(f"{out}/adapter_config.json", "w") as file:
        json.dump(config, file, indent=2, sort_keys=True)


def gradients(folder, adapter, batch, dtype, matrices=None):
    model = in_precision(folder, dtype, adapter, matrices)
    _, nll = token_losses(model, *batch)
    nll.mean().backward()
    grads = {n.replace(".default", ""): p.grad for n, p in model.named_parameters() if p.grad is not None and "lora_" in n}
    return nll.mean().item(), grads


def train(folder, adapter, rows, pad, dtype):
    """README of the golden data, "Training loop": AdamW, linear decay after a warm-up of one step, clipping, token mean over the accumulated batch."""
    model = in_precision(folder, dtype, adapter)
    parameters = [p for n, p in model.named_parameters() if "lora_" in n]
    optimizer = torch.optim.AdamW(parameters, lr=TRAINING["base_lr"], betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
    steps, history = TRAINING["steps"], []
    for step in range(steps):
        lr = 0.0 if step == 0 else TRAINING["base_lr"] * (steps - step) / (steps - 1)
        micro = [right_padded(rows[at : at + TRAINING["micro_batch"]], pad) for at in range(0, len(rows), TRAINING["micro_batch"])]
        count = sum((labels[:, 1:] != -100).sum() for _, labels, _ in micro)
        optimizer.zero_grad()
        loss = sum(token_losses(model, *batch)[1].sum() / count for batch in micro)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, TRAINING["max_grad_norm"])
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        history.append({"loss": loss.item(), "grad_norm": norm.item(), "lr": lr})
    final = {n.replace(".default", ""): p.detach() for n, p in model.named_parameters() if "lora_" in n}
    return history, final


def main():
    tokenizer_dir, out, matrices = sys.argv[2:]
    matrices = load_file(matrices)
    for variant in VARIANTS:
        folder, adapter = f"{out}/{variant}", f"{out}/{variant}/adapter"
        shutil.rmtree(folder, ignore_errors=True)
        write_model(variant, tokenizer_dir, folder)
        write_adapter(folder, adapter)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        encoded = [encode(tokenizer, row) for row in ROWS]
        pad = tokenizer.pad_token_id
        tensors, cases, noises = {}, [], {}
        for i, (messages, ids, labels) in enumerate(encoded):
            mask = torch.ones_like(ids)
            with torch.no_grad():
                single, double = both(lambda dtype: token_losses(in_precision(folder, dtype), ids, labels, mask))
            noises["logits"] = max(noises.get("logits", 0), noise(single[0], double[0]))
            noises["loss"] = max(noises.get("loss", 0), noise(single[1].mean(), double[1].mean()))
            prompt = int((labels[0] != -100).nonzero()[-1])
            while labels[0, prompt - 1] != -100:
                prompt -= 1
            generated = in_precision(folder, torch.float32).generate(
                ids[:, :prompt], attention_mask=mask[:, :prompt], max_new_tokens=12, do_sample=False, eos_token_id=[602, 600], pad_token_id=600
            )[0, prompt:].tolist()
            tensors |= {f"{i}.input_ids": ids, f"{i}.labels": labels, f"{i}.logits": double[0][:ROWS_OF_LOGITS].float()}
            cases.append({"messages": messages, "prompt": prompt, "loss": double[1].mean().item(), "generated": generated})
        batch = right_padded([(ids, labels) for _, ids, labels in encoded[:2]], pad)
        losses = {}
        for prefix, kept in (("", None), ("nf4.", matrices)):
            (loss32, single), (loss64, double) = both(lambda dtype, kept=kept: gradients(folder, adapter, batch, dtype, kept))
            for kind in ("A", "B"):
                noises[f"{prefix}grad.{kind}"] = max(noise(single[n], double[n]) for n in double if f"lora_{kind}" in n)
            noises[f"{prefix}lora.loss"] = abs(loss32 - loss64) / loss64
            tensors |= {f"{prefix}grad.{name}": value.float() for name, value in double.items()}
            losses[prefix] = loss64
        rows = [(ids, labels) for _, ids, labels in encoded]
        (_, final32), (history, final64) = both(lambda dtype: train(folder, adapter, rows, pad, dtype))
        noises["final"] = max(noise(final32[n], final64[n]) for n in final64)
        tensors |= {f"final.{name}": value.float() for name, value in final64.items()}
        save_file({k: v.contiguous() for k, v in tensors.items()}, f"{folder}/golden.safetensors", metadata={"format": "pt"})
        os.chmod(f"{folder}/golden.safetensors", 0o644)
        facts = {"cases": cases, "noise": noises, "adapter_loss": losses[""], "nf4_adapter_loss": losses["nf4."], "training": {**TRAINING, "history": history}}
        with open(f"{folder}/cases.json", "w") as file:
            json.dump(facts, file, indent=1, ensure_ascii=False)
        print(variant, {name: f"{value:.1e}" for name, value in noises.items()}, [round(row["loss"], 4) for row in history], [len(c["generated"]) for c in cases])


main()
