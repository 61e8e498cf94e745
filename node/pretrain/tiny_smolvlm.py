"""SmolVLM's forward pass over named tensors, for batches of unsplit pictures with several questions each, as tiny_qwen.py has Qwen2.5-VL's: a picture is one
tile, its global view. The text stack is Qwen2's but for its positions, which count tokens, and the bias behind attention."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tiny_qwen import PRODUCTS, TinyQwen, Weights, attend

ATTENTION = ("q_proj", "k_proj", "v_proj")


class TinySmolVLM(TinyQwen):
    stack = "model.text_model."
    # The prompt ends with "Assistant:"; the space is the answer's.
    begin_of_answer = " "
    end_of_answer = "<end_of_utterance>\n"

    def __init__(self, config: dict) -> None:
        self.whole, self.vision = config, config["vision_config"]
        self.config = config["text_config"] | {"image_token_id": config["image_token_id"]}

    def prefix(self, encode, rows: int, columns: int) -> list[int]:
        """Ids from the start of the conversation to behind the picture of rows × columns tokens."""
        fake = "<fake_token_around_image>"
        return encode(f"<|im_start|>User:{fake}<global-img>{'<image>' * (rows * columns)}{fake}")

    def turn(self, prompt: str) -> str:
        return f"{prompt}<end_of_utterance>\nAssistant:"

    def see(self, w: Weights, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """pixels [B, size, size] from 0 to 255 → patch features [B, rows, columns, C] and tokens [B, rows/2 · columns/2, C]."""
        v, tower = self.vision, "model.vision_model."
        size, heads = v["patch_size"], v["num_attention_heads"]
        count, side = pixels.shape[0], v["image_size"] // size
        # Three channels of the same grey: one filter does the work of three.
        filters = w[f"{tower}embeddings.patch_embedding.weight"].float().sum(1).flatten(1)
        patches = pixels.view(count, side, size, side, size).transpose(2, 3).reshape(count, side * side, size * size)
        x = (
            F.linear(patches / 127.5 - 1, filters, w[f"{tower}embeddings.patch_embedding.bias"].float())
            + w[f"{tower}embeddings.position_embedding.weight"]
        )

        def norm(x: Tensor, name: str) -> Tensor:
            return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], 1e-6)

        def linear(x: Tensor, name: str) -> Tensor:
            return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

        for i in range(v["num_hidden_layers"]):
            name = f"{tower}encoder.layers.{i}."
            h = norm(x, f"{name}layer_norm1").to(PRODUCTS)
            q, k, u = (linear(h, f"{name}self_attn.{part}").unflatten(-1, (heads, -1)).transpose(1, 2) for part in ATTENTION)
            x = x + linear(attend(q, k, u), f"{name}self_attn.out_proj")
            h = linear(norm(x, f"{name}layer_norm2").to(PRODUCTS), f"{name}mlp.fc1")
            x = x + linear(F.gelu(h, approximate="tanh"), f"{name}mlp.fc2")
        grid = norm(x, f"{tower}post_layernorm").view(count, side, side, -1)
        scale = self.whole["scale_factor"]
        shuffled = grid.view(count, side // scale, scale, side // scale, scale, -1).transpose(2, 3).flatten(3).flatten(1, 2)
        return grid, F.linear(shuffled.to(PRODUCTS), w["model.connector.modality_projection.proj.weight"])

    def tables(self, prefix: list[int], length: int, rows: int, columns: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """cos and sin for the prefix, and for `length` tokens behind it."""
        head = self.config["head_dim"]
        angles = torch.arange(len(prefix) + length)[:, None] * self.config["rope_theta"] ** (-torch.arange(0, head, 2) / head)
        angles = angles.repeat(1, 2)
        cos, sin = angles.cos().to(PRODUCTS), angles.sin().to(PRODUCTS)
        return (cos[: len(prefix)], sin[: len(prefix)]), (cos[len(prefix) :], sin[len(prefix) :])
