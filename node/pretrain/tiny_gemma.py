"""Gemma 3's forward pass (SigLIP tower, average-pool projector, text stack) over named tensors, in the form of tiny_qwen.py. Written for
sequences shorter than the sliding window, which every question here is."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tiny_qwen import PRODUCTS, Weights, attend, rms_norm, rotate

ATTENTION = ("q_proj", "k_proj", "v_proj")


def gemma_norm(x: Tensor, weight: Tensor) -> Tensor:
    return rms_norm(x, 1 + weight)


class TinyGemma:
    stack = "model.language_model."
    begin_of_answer = ""
    end_of_answer = "<end_of_turn>\n"

    def __init__(self, config: dict) -> None:
        self.config = config
        self.text, self.vision = config["text_config"], config["vision_config"]
        self.image_token = config["image_token_index"]

    def prefix(self, encode, rows: int, columns: int) -> list[int]:
        """Ids from the start of the conversation to behind the picture of rows × columns soft tokens."""
        return encode(f"<bos><start_of_turn>user\n\n\n<start_of_image>{'<image_soft_token>' * (rows * columns)}<end_of_image>\n\n")

    def turn(self, prompt: str) -> str:
        return f"{prompt}<end_of_turn>\n<start_of_turn>model\n"

    def see(self, w: Weights, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """pixels [B, size, size] from 0 to 255 → patch features [B, rows, columns, C] and soft tokens [B, rows/2 · columns/2, C]."""
        v, tower = self.vision, "model.vision_tower.vision_model."
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
        each = side // round(self.config["mm_tokens_per_image"] ** 0.5)
        pooled = F.avg_pool2d(grid.permute(0, 3, 1, 2), each).flatten(2).transpose(1, 2)
        h = gemma_norm(pooled, w["model.multi_modal_projector.mm_soft_emb_norm.weight"])
        return grid, h @ w["model.multi_modal_projector.mm_input_projection_weight"]

    def tables(self, kind: str, start: int, length: int) -> tuple[Tensor, Tensor]:
        t = self.text
        head = t["head_dim"]
        base = t["rope_local_base_freq"] if kind == "sliding" else t["rope_theta"]
        scale = 1 if kind == "sliding" or t["rope_scaling"] is None else t["rope_scaling"]["factor"]
        angles = torch.arange(start, start + length)[:, None] / scale * base ** (-torch.arange(0, head, 2) / head)
        angles = angles.repeat(1, 2)
        return angles.cos().to(PRODUCTS), angles.sin().to(PRODUCTS)

    def read(
        self, w: Weights, prefix: list[int], merged: Tensor, questions: Tensor, rows: int, columns: int, fixed: Tensor | None = None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """questions [B, Q, L] ids → states after every layer: of the picture's tokens [B, N, C] and of the questions [B·Q, L, C]; the last
        ones normed. Prompts do not train the embeddings of the ids in `fixed`."""
        t = self.text
        heads, groups = t["num_attention_heads"], t["num_key_value_heads"]
        count, each, length = questions.shape
        if len(prefix) + length > t["sliding_window"]:
            raise ValueError("longer than the sliding window")
        table = w["model.language_model.embed_tokens.weight"]
        scale = t["hidden_size"] ** 0.5
        image = torch.tensor(prefix) == self.image_token
        p = F.embedding(torch.tensor(prefix), table).repeat(count, 1, 1) * scale
        p = p.masked_scatter(image[None, :, None].expand_as(p), merged.to(p.dtype))
        q = F.embedding(questions.flatten(0, 1), table if fixed is None else torch.where(fixed[:, None], table.detach(), table)) * scale
        # The picture's tokens see each other, all others what is before them.
        behind = torch.ones(length, length, dtype=torch.bool).tril()
        visible = torch.cat([torch.ones(length, len(prefix), dtype=torch.bool), behind], 1)
        within = torch.ones(len(prefix), len(prefix), dtype=torch.bool).tril() | (image[:, None] & image[None])
        wide = heads // groups
        stretch = t["query_pre_attn_scalar"] ** -0.5 * t["head_dim"] ** 0.5  # attend() divides by √head_dim
        seen, said = [], []
        for i in range(t["num_hidden_layers"]):
            name = f"model.language_model.layers.{i}."
            kind = "full" if (i + 1) % t["sliding_window_pattern"] == 0 else "sliding"

            def project(x: Tensor, start: int) -> tuple[Tensor, Tensor, Tensor]:
                h = gemma_norm(x, w[f"{name}input_layernorm.weight"])
                made = (F.linear(h, w[f"{name}self_attn.{part}.weight"]) for part in ATTENTION)
                query, key, value = (x.unflatten(-1, (n, -1)).transpose(1, 2) for x, n in zip(made, (heads, groups, groups)))
                angles = self.tables(kind, start, x.shape[1])
                query = rotate(gemma_norm(query.float(), w[f"{name}self_attn.q_norm.weight"]), *angles) * stretch
                return query, rotate(gemma_norm(key.float(), w[f"{name}self_attn.k_norm.weight"]), *angles), value

            def rest(x: Tensor, h: Tensor) -> Tensor:
                x = x + gemma_norm(F.linear(h, w[f"{name}self_attn.o_proj.weight"]).float(), w[f"{name}post_attention_layernorm.weight"])
                h = gemma_norm(x, w[f"{name}pre_feedforward_layernorm.weight"])
                h = F.gelu(F.linear(h, w[f"{name}mlp.gate_proj.weight"]), approximate="tanh") * F.linear(h, w[f"{name}mlp.up_proj.weight"])
                return x + gemma_norm(F.linear(h, w[f"{name}mlp.down_proj.weight"]).float(), w[f"{name}post_feedforward_layernorm.weight"])

            pq, pk, pv = project(p, 0)
            qq, qk, qv = project(q, len(prefix))
            keys = torch.cat([pk.repeat_interleave(each, 0), qk], 2).repeat_interleave(wide, 1)
            values = torch.cat([pv.repeat_interleave(each, 0), qv], 2).repeat_interleave(wide, 1)
            q = rest(q, attend(qq, keys, values, visible))
            p = rest(p, attend(pq, pk.repeat_interleave(wide, 1), pv.repeat_interleave(wide, 1), within))
            seen.append(p[:, image])
            said.append(q)
        said[-1] = gemma_norm(q, w["model.language_model.norm.weight"])
        return seen, said

    def logits(self, w: Weights, hidden: Tensor, ids: Tensor | None = None) -> Tensor:
        """Of the tokens `ids`, or of all."""
        table = w["model.language_model.embed_tokens.weight"]
        return F.linear(hidden.to(PRODUCTS), (table if ids is None else table[ids]).to(PRODUCTS))
