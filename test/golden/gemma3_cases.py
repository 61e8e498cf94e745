"""Cases of Gemma 3 that the golden set does not have, by transformers in float32: another shape, text alone, causal image tokens.

    python gemma3_cases.py <golden folder> <output folder>

other/   a model of random weights (stored in bf16, computed in float32) whose shape shares nothing with gemma3-tiny's: head size unlike width over heads,
         one key head, biases, an irregular order of layer types, a window of 5 within images of 9 tokens, both RoPEs scaled, 7 x 7 patches pooled by 2
         (the rest falls away), an untied head, SigLIP's unused pooling head. Two rows: two images among text, and text alone. Logits, loss, gradient norms.
text/    a gemma3_text model with final_logit_softcapping: logits, loss, gradient norms, greedy answers.
causal.safetensors   gemma3-tiny without token_type_ids, which leaves image tokens causal, as FlashAttention-2 does: logits and losses of golden cases.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, Gemma3Config, Gemma3ForCausalLM, Gemma3ForConditionalGeneration, Gemma3TextConfig

torch.manual_seed(7)
torch.set_num_threads(1)
golden, out = Path(sys.argv[1]), Path(sys.argv[2])
TINY = golden / "models" / "gemma3-tiny"
SOFT = 699

TEXT = dict(
    vocab_size=704, hidden_size=48, intermediate_size=72, num_hidden_layers=5, num_attention_heads=3, num_key_value_heads=1, head_dim=20,
    query_pre_attn_scalar=11, sliding_window=5, attention_bias=True, rms_norm_eps=1e-5, max_position_embeddings=512,
    layer_types=["full_attention", "sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
    rope_parameters={
        "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 50000.0},
        "sliding_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 300.0},
    },
    pad_token_id=0, bos_token_id=2, eos_token_id=1,
)


def randomise(model):
    """Weights large enough that everything matters, in steps that bf16 holds."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            scale = 0.3 if "norm" in name or "bias" in name else 0.35
            p.copy_((torch.randn(p.shape) * scale).bfloat16().float())


def save(model, folder, extra=()):
    model.bfloat16().save_pretrained(folder)
    for name in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", *extra]:
        if (TINY / name).exists():
            shutil.copy(TINY / name, folder / name)


def backward(model, inputs, labels):
    model.zero_grad()
    result = model(**inputs, labels=labels)
    result.loss.backward()
    norms = {name: p.grad.norm().item() for name, p in model.named_parameters() if p.grad is not None}
    rows, columns = (labels[:, 1:] != -100).nonzero(as_tuple=True)
    return result.loss, result.logits[rows, columns], norms


def labels_of(ids, first):
    labels = ids.clone()
    labels[:, :first] = -100
    labels[ids == SOFT] = -100
    labels[ids == 0] = -100
    return labels


def other():
    folder = out / "other"
    config = Gemma3Config(
        text_config=TEXT | dict(tie_word_embeddings=False), tie_word_embeddings=False, mm_tokens_per_image=9, boi_token_index=697, eoi_token_index=698,
        image_token_index=SOFT,
        vision_config=dict(hidden_size=36, intermediate_size=52, num_hidden_layers=2, num_attention_heads=3, image_size=56, patch_size=8, layer_norm_eps=1e-5),
    )
    model = Gemma3ForConditionalGeneration(config)
    randomise(model)
    save(model, folder)
    processor = dict(image_processor_type="Gemma3ImageProcessor", do_normalize=True, do_rescale=True, do_resize=True, image_mean=[0.5] * 3, image_std=[0.5] * 3,
                     resample=2, rescale_factor=1 / 255, size=dict(height=56, width=56))
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=1))
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    image = [697] + [SOFT] * 9 + [698]
    words = lambda n: torch.randint(20, 690, (n,)).tolist()
    long = [2] + words(3) + image + words(4) + image + words(14)
    short = [2] + words(17)
    width = len(long)
    ids = torch.tensor([long, short + [0] * (width - len(short))])
    mask = (ids != 0).long()
    pixels = torch.randn(2, 3, 56, 56)
    labels = labels_of(ids, 2)
    inputs = dict(input_ids=ids, attention_mask=mask, token_type_ids=(ids == SOFT).long(), pixel_values=pixels)
    loss, logits, norms = backward(model, inputs, labels)
    features = model.get_image_features(pixels).pooler_output
    prompt = torch.tensor([long[: 4 + 11 + 4 + 11]])
    generated = model.generate(
        input_ids=prompt, attention_mask=torch.ones_like(prompt), token_type_ids=(prompt == SOFT).long(), pixel_values=pixels, do_sample=False,
        max_new_tokens=12, eos_token_id=None, pad_token_id=0)[0, prompt.shape[1]:]
    tensors = dict(long=torch.tensor(long), short=torch.tensor(short), labels_long=labels[0], labels_short=labels[1, : len(short)], pixel_values=pixels,
                   image_features=features, logits=logits, generated=generated)
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, folder / "case.safetensors")
    (folder / "case.json").write_text(json.dumps(dict(loss=loss.item(), prompt=prompt.shape[1], grad_norms=norms), indent=1))


def text():
    folder = out / "text"
    config = Gemma3TextConfig(**(TEXT | dict(final_logit_softcapping=6.0, attention_bias=False, tie_word_embeddings=True)))
    model = Gemma3ForCausalLM(config)
    randomise(model)
    save(model, folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.tensor([[2] + torch.randint(20, 690, (23,)).tolist()])
    labels = labels_of(ids, 3)
    loss, logits, norms = backward(model, dict(input_ids=ids), labels)
    generated = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12, eos_token_id=None, pad_token_id=0)[0, ids.shape[1]:]
    save_file({k: v.detach().contiguous() for k, v in dict(ids=ids[0], labels=labels[0], logits=logits, generated=generated).items()}, folder / "case.safetensors")
    (folder / "case.json").write_text(json.dumps(dict(loss=loss.item(), grad_norms=norms), indent=1))


def causal():
    model = AutoModelForImageTextToText.from_pretrained(TINY, dtype=torch.float32).eval()
    tensors = {}
    for case in ["s00_single", "s10_twoimages"]:
        stored = load_file(golden / "golden" / "gemma3-tiny" / "cases" / f"{case}.safetensors")
        inputs = dict(input_ids=stored["input_ids"], attention_mask=stored["attention_mask"], pixel_values=stored["pixel_values"])
        with torch.no_grad():
            result = model(**inputs, labels=stored["labels_completion"])
        at = (stored["labels_completion"][0, 1:] != -100).nonzero()[:, 0]
        tensors |= {f"{case}.logits_completion": result.logits[0, at], f"{case}.loss": result.loss[None]}
        prompt = stored["input_ids"][:, : at[0] + 1]
        generated = model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt), pixel_values=stored["pixel_values"], do_sample=False,
                                   max_new_tokens=8, eos_token_id=None, pad_token_id=0)
        tensors[f"{case}.generated"] = generated[0, prompt.shape[1]:]
    save_file({k: v.contiguous() for k, v in tensors.items()}, out / "causal.safetensors")


for folder in ["other", "text"]:
    (out / folder).mkdir(parents=True, exist_ok=True)
other()
text()
causal()
