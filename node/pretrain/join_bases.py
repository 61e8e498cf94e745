"""Gives a tiny SmolVLM that prepareBase.js has begun what the bases beside it have learnt, before make_base.py trains it:

    node dist/prepareBase.js --family smolvlm --output_dir base
    python node/pretrain/join_bases.py base

The tower is base-medgemma's, which is the same SigLIP; the text stack is base's, whose layers are Llama's but for M-RoPE; tokens that base has keep their
embeddings, others get the mean of its tokens for them. The connector is the matrix that comes nearest, by least squares, from that tower to the merged tokens
of base's own on phantoms."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

import phantoms
import tiny_qwen
import tiny_smolvlm

SAME = {
    "<end_of_utterance>": "<|im_end|>",
    "<fake_token_around_image>": "<|vision_start|>",
    "<global-img>": "<|vision_start|>",
    "<image>": "<|image_pad|>",
}
CONNECTOR = "model.connector.modality_projection.proj.weight"
folder, bases = Path(sys.argv[1]), Path(__file__).parent.parent
tiny_qwen.PRODUCTS = tiny_smolvlm.PRODUCTS = torch.float32


def read(path: Path) -> tuple[dict, dict[str, torch.Tensor], Tokenizer]:
    weights = {name: value.float() for name, value in load_file(path / "model.safetensors").items()}
    return json.loads((path / "config.json").read_text()), weights, Tokenizer.from_file(str(path / "tokenizer.json"))


config, own, tokenizer = read(folder)
qwen_config, qwen, qwen_tokenizer = read(bases / "base")
_, gemma, _ = read(bases / "base-medgemma")
for name in own:
    if name.startswith("model.vision_model."):
        own[name] = gemma[name.replace("vision_model", "vision_tower.vision_model", 1)]
    elif name.startswith("model.text_model.") and "embed" not in name:
        own[name] = qwen.get(name.replace("text_model", "language_model", 1), torch.zeros_like(own[name]))  # o_proj has no bias there
table, known = qwen["model.language_model.embed_tokens.weight"], qwen_tokenizer.get_vocab()
for token, at in tokenizer.get_vocab().items():
    token = SAME.get(token, token)
    ids = [known[token]] if token in known else qwen_tokenizer.encode(token.replace("Ġ", " ")).ids
    if ids:
        own["model.text_model.embed_tokens.weight"][at] = table[ids].mean(0)

rng = np.random.default_rng(5)
theirs, ours = tiny_qwen.TinyQwen(qwen_config), tiny_smolvlm.TinySmolVLM(config)
inputs, outputs = [], []
with torch.no_grad():
    width = own[CONNECTOR].shape[1]
    plain = own | {CONNECTOR: torch.eye(width)}  # which lets the shuffled features through
    for _ in range(60):
        pixels = torch.from_numpy(phantoms.draw(rng, 16, 112, 112, 0.6).pixels)
        inputs.append(ours.see(plain, pixels)[1].flatten(0, 1))
        outputs.append(theirs.see(qwen, pixels)[1].flatten(0, 1))
x, y = torch.cat(inputs).double(), torch.cat(outputs).double()
fit, held = slice(len(x) // 6, None), slice(len(x) // 6)
ridge = 0.01 * len(x) * x.pow(2).mean() * torch.eye(width).double()
matrix = torch.linalg.solve(x[fit].T @ x[fit] + ridge, x[fit].T @ y[fit])
rest = (x[held] @ matrix - y[held]).pow(2).sum() / (y[held] - y[held].mean(0)).pow(2).sum()
print(f"of the merged tokens' variance {1 - float(rest):.0%} is there")
own[CONNECTOR] = matrix.T.float().contiguous()
save_file({name: value.contiguous() for name, value in own.items()}, folder / "model.safetensors", {"format": "pt"})
