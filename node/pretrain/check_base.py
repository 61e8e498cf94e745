"""Compares tiny_qwen.py, tiny_gemma.py or tiny_smolvlm.py with transformers on one question about a phantom, in f32:
python node/pretrain/check_base.py node/base"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

import phantoms
import tiny_gemma
import tiny_qwen
import tiny_smolvlm

folder = Path(sys.argv[1])
tiny_qwen.PRODUCTS = tiny_gemma.PRODUCTS = tiny_smolvlm.PRODUCTS = torch.float32
config = json.loads((folder / "config.json").read_text())
family = config["model_type"]
is_gemma, is_smolvlm = family == "gemma3", family == "smolvlm"
tiny = {"gemma3": tiny_gemma.TinyGemma, "smolvlm": tiny_smolvlm.TinySmolVLM, "qwen2_5_vl": tiny_qwen.TinyQwen}[family](config)
rows, columns = (5, 3) if family == "qwen2_5_vl" else (4, 4)
rng = np.random.default_rng(3)
pictures = phantoms.draw(rng, 1, rows * 28, columns * 28, 0.5)
question = phantoms.ask(rng, pictures, 0, False, (1, 0, 0, 0))
assert question is not None

tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
image = Image.fromarray(pictures.pixels[0].astype(np.uint8)).convert("RGB")
seen = AutoImageProcessor.from_pretrained(folder, backend="pil")(images=[image], return_tensors="pt")
user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question.prompt}]}
chat = tokenizer.apply_chat_template([user, {"role": "assistant", "content": [{"type": "text", "text": question.answer}]}], tokenize=False)
soft = config["image_token_index" if is_gemma else "image_token_id"]
# What the processors do to a picture's place in the text.
many = tokenizer.convert_ids_to_tokens(soft) * (rows * columns)
fake = "<fake_token_around_image>"
places = {"gemma3": ("<start_of_image>", f"\n\n<start_of_image>{many}<end_of_image>\n\n"), "smolvlm": ("<image>", f"{fake}<global-img>{many}{fake}")}
chat = chat.replace(*places.get(family, ("<|image_pad|>", many)))
ids = tokenizer(chat, add_special_tokens=False, return_tensors="pt").input_ids
kinds = {} if is_smolvlm else {"token_type_ids" if is_gemma else "mm_token_type_ids": (ids == soft).long()}
inputs = {
    "input_ids": ids,
    "attention_mask": torch.ones_like(ids),
    **kinds,
    **{k: v for k, v in seen.items() if k in ("pixel_values", "image_grid_thw", "pixel_attention_mask")},
}
with torch.no_grad():
    theirs = model(**inputs).logits[0]


def encode(text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False).input_ids


weights = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
prefix = tiny.prefix(encode, rows, columns)
ids = encode(tiny.turn(question.prompt)) + encode(tiny.begin_of_answer + question.answer + tiny.end_of_answer)
print("same ids:", prefix + ids == inputs["input_ids"][0].tolist())
with torch.no_grad():
    _, merged = tiny.see(weights, torch.from_numpy(pictures.pixels))
    _, said = tiny.read(weights, prefix, merged, torch.tensor([[ids]]), rows, columns)
    ours = tiny.logits(weights, said[-1][0])
print(
    f"largest difference of a logit: {float((theirs[len(prefix) :] - ours).abs().max()):.2e}, largest logit {float(theirs.abs().max()):.1f}"
)
right = theirs[:-1].argmax(-1) == inputs["input_ids"][0, 1:]
print(
    f"asked: {question.answer}, greedy next tokens right: {right[-len(encode(question.answer)) - 2 :].float().mean():.2f}"
)
