"""Compares tiny_qwen.py or tiny_gemma.py with transformers on one question about a phantom, in f32:
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

folder = Path(sys.argv[1])
tiny_qwen.PRODUCTS = tiny_gemma.PRODUCTS = torch.float32
config = json.loads((folder / "config.json").read_text())
is_gemma = config["model_type"] == "gemma3"
tiny = tiny_gemma.TinyGemma(config) if is_gemma else tiny_qwen.TinyQwen(config)
rows, columns = (4, 4) if is_gemma else (5, 3)
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
soft = tiny.config["image_token_index" if is_gemma else "image_token_id"]
# What the processors do to a picture's place in the text.
many = tokenizer.convert_ids_to_tokens(soft) * (rows * columns)
chat = (
    chat.replace("<start_of_image>", f"\n\n<start_of_image>{many}<end_of_image>\n\n") if is_gemma else chat.replace("<|image_pad|>", many)
)
ids = tokenizer(chat, add_special_tokens=False, return_tensors="pt").input_ids
kinds = {"token_type_ids" if is_gemma else "mm_token_type_ids": (ids == soft).long()}
inputs = {
    "input_ids": ids,
    "attention_mask": torch.ones_like(ids),
    **kinds,
    **{k: v for k, v in seen.items() if k in ("pixel_values", "image_grid_thw")},
}
with torch.no_grad():
    theirs = model(**inputs).logits[0]


def encode(text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False).input_ids


weights = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
prefix = tiny.prefix(encode, rows, columns)
ids = encode(tiny.turn(question.prompt)) + encode(question.answer + tiny.end_of_answer)
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
