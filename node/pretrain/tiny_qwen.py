"""Qwen2.5-VL's forward pass over named tensors, for batches of pictures of one size with several questions each. The text stack computes
system turn and picture once and lets every question attend to them; transformers would compute them again for every question, and its
vision tower loops over windows. `make_base.py --check` compares both."""

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = dict[str, Tensor]
PRODUCTS = torch.bfloat16


def for_products(weights: Weights) -> Weights:
    """The weights as the forward pass takes them: matrices and biases in bf16, norms and the embedding table in f32 as they are trained."""
    return {name: w if "norm" in name or "ln_q" in name or "embed" in name else w.to(PRODUCTS) for name, w in weights.items()}


def rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    """Normed in f32; what the matrices take is in bf16, which a CPU multiplies several times as fast."""
    return (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight).to(PRODUCTS)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
    """In f32: PyTorch's backward pass on a CPU is several times slower in bf16."""
    out = F.scaled_dot_product_attention(query.float(), key.float(), value.float(), mask, is_causal=is_causal)
    return out.transpose(1, 2).flatten(2).to(PRODUCTS)


class TinyQwen:
    stack = "model.language_model."
    begin_of_answer = ""

    def __init__(self, config: dict) -> None:
        self.config = config
        self.vision = config["vision_config"]

    def prefix(self, encode, rows: int, columns: int) -> list[int]:
        """Ids from the start of the conversation to the end of the picture of rows × columns merged tokens."""
        image = "<|image_pad|>" * (rows * columns)
        return encode(
            f"<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>{image}<|vision_end|>"
        )

    def turn(self, prompt: str) -> str:
        return f"{prompt}<|im_end|>\n<|im_start|>assistant\n"

    end_of_answer = "<|im_end|>\n"

    def see(self, w: Weights, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """pixels [B, H, W] from 0 to 255 → patch features [B, rows, columns, C] and merged tokens [B, rows/2 · columns/2, C]."""
        v = self.vision
        mean, deviation = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
        size, merge = v["patch_size"], v["spatial_merge_size"]
        count, rows, columns = pixels.shape[0], pixels.shape[1] // size, pixels.shape[2] // size
        # All frames and channels hold the same grey: one channel's filter does the work of six.
        filters = w["model.visual.patch_embed.proj.weight"].float().sum(2)  # [C, 3, p, p]
        scaled = (filters / deviation[:, None, None]).sum(1).flatten(1)  # [C, p·p]
        offset = (filters * (mean / deviation)[:, None, None]).sum((1, 2, 3))
        patches = pixels.view(count, rows, size, columns, size).transpose(2, 3).reshape(count, rows, columns, size * size)
        x = F.linear(patches / 255, scaled, -offset)
        # The order of patches is free as long as positions and windows agree; merging needs neighbours in a row.
        x = x.view(count, rows // merge, merge, columns // merge, merge, -1).transpose(2, 3).reshape(count, rows * columns, -1)
        place = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"), -1)
        place = place.view(rows // merge, merge, columns // merge, merge, 2).transpose(1, 2).reshape(-1, 2)
        heads = v["num_heads"]
        half = v["hidden_size"] // heads // 2
        angles = place[:, :, None] * 10000.0 ** (-torch.arange(0, half, 2) / half)
        angles = angles.flatten(1).repeat(1, 2)
        cos, sin = angles.cos().to(PRODUCTS), angles.sin().to(PRODUCTS)
        window = place // (v["window_size"] // size)
        same = (window[:, None] == window[None]).all(-1)
        for i in range(v["depth"]):
            name = f"model.visual.blocks.{i}."
            h = rms_norm(x, w[f"{name}norm1.weight"])
            q, k, u = (
                F.linear(h, w[f"{name}attn.qkv.weight"], w[f"{name}attn.qkv.bias"]).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
            )
            mask = None if i in v["fullatt_block_indexes"] else same
            h = attend(rotate(q, cos, sin), rotate(k, cos, sin), u, mask)
            x = x + F.linear(h, w[f"{name}attn.proj.weight"], w[f"{name}attn.proj.bias"])
            h = rms_norm(x, w[f"{name}norm2.weight"])
            gate, up = (F.linear(h, w[f"{name}mlp.{part}.weight"], w[f"{name}mlp.{part}.bias"]) for part in ("gate_proj", "up_proj"))
            x = x + F.linear(F.silu(gate) * up, w[f"{name}mlp.down_proj.weight"], w[f"{name}mlp.down_proj.bias"])
        h = rms_norm(x, w["model.visual.merger.ln_q.weight"]).view(count, rows * columns // merge**2, -1)
        h = F.gelu(F.linear(h, w["model.visual.merger.mlp.0.weight"], w["model.visual.merger.mlp.0.bias"]))
        merged = F.linear(h, w["model.visual.merger.mlp.2.weight"], w["model.visual.merger.mlp.2.bias"])
        grid = x.view(count, rows // merge, columns // merge, merge, merge, -1).transpose(2, 3).reshape(count, rows, columns, -1)
        return grid, merged

    def tables(self, prefix: list[int], length: int, rows: int, columns: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """cos and sin of M-RoPE for the prefix, and for `length` tokens behind it."""
        c = self.config
        first = prefix.index(c["image_token_id"])
        place = torch.arange(len(prefix)).repeat(3, 1)
        grid = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")).flatten(1)
        place[:, first : first + rows * columns] = first + torch.cat([torch.zeros(1, rows * columns, dtype=torch.long), grid])
        place[:, first + rows * columns :] = first + max(rows, columns) + torch.arange(len(prefix) - first - rows * columns)
        behind = (int(place.max()) + 1 + torch.arange(length)).repeat(3, 1)
        head = c["hidden_size"] // c["num_attention_heads"]
        frequency = c["rope_theta"] ** (-torch.arange(0, head, 2) / head)
        axis = torch.repeat_interleave(torch.arange(3), torch.tensor(c["rope_scaling"]["mrope_section"]))

        def table(position: Tensor) -> tuple[Tensor, Tensor]:
            angles = (position[axis].T * frequency).repeat(1, 2)
            return angles.cos().to(PRODUCTS), angles.sin().to(PRODUCTS)

        return table(place), table(behind)

    def read(
        self, w: Weights, prefix: list[int], merged: Tensor, questions: Tensor, rows: int, columns: int, fixed: Tensor | None = None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """questions [B, Q, L] ids → states after every layer: of the picture's tokens [B, N, C] and of the questions [B·Q, L, C]; the last
        ones normed. Prompts do not train the embeddings of the ids in `fixed`."""
        c = self.config
        heads, groups = c["num_attention_heads"], c["num_key_value_heads"]
        count, each, length = questions.shape
        table = w[f"{self.stack}embed_tokens.weight"]
        image = torch.tensor(prefix) == c["image_token_id"]
        p = F.embedding(torch.tensor(prefix), table).repeat(count, 1, 1)
        p = p.masked_scatter(image[None, :, None].expand_as(p), merged.to(p.dtype))
        q = F.embedding(questions.flatten(0, 1), table if fixed is None else torch.where(fixed[:, None], table.detach(), table))
        before, behind = self.tables(prefix, length, rows, columns)
        visible = torch.cat([torch.ones(length, len(prefix), dtype=torch.bool), torch.ones(length, length, dtype=torch.bool).tril()], 1)
        seen, said = [], []
        for i in range(c["num_hidden_layers"]):
            name = f"{self.stack}layers.{i}."

            def project(x: Tensor, angles: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
                h = rms_norm(x, w[f"{name}input_layernorm.weight"])
                made = [
                    F.linear(h, w[f"{name}self_attn.{part}.weight"], w[f"{name}self_attn.{part}.bias"])
                    for part in ("q_proj", "k_proj", "v_proj")
                ]
                query, key, value = (x.unflatten(-1, (n, -1)).transpose(1, 2) for x, n in zip(made, (heads, groups, groups)))
                return rotate(query, *angles), rotate(key, *angles), value

            def rest(x: Tensor, h: Tensor) -> Tensor:
                x = x + F.linear(h, w[f"{name}self_attn.o_proj.weight"], w.get(f"{name}self_attn.o_proj.bias"))
                h = rms_norm(x, w[f"{name}post_attention_layernorm.weight"])
                h = F.silu(F.linear(h, w[f"{name}mlp.gate_proj.weight"])) * F.linear(h, w[f"{name}mlp.up_proj.weight"])
                return x + F.linear(h, w[f"{name}mlp.down_proj.weight"])

            pq, pk, pv = project(p, before)
            qq, qk, qv = project(q, behind)
            wide = heads // groups
            keys = torch.cat([pk.repeat_interleave(each, 0), qk], 2).repeat_interleave(wide, 1)
            values = torch.cat([pv.repeat_interleave(each, 0), qv], 2).repeat_interleave(wide, 1)
            q = rest(q, attend(qq, keys, values, visible))
            p = rest(p, attend(pq, pk.repeat_interleave(wide, 1), pv.repeat_interleave(wide, 1), is_causal=True))
            seen.append(p[:, image])
            said.append(q)
        said[-1] = rms_norm(q, w[f"{self.stack}norm.weight"])
        return seen, said

    def logits(self, w: Weights, hidden: Tensor, ids: Tensor | None = None) -> Tensor:
        """Of the tokens `ids`, or of all."""
        table = w[f"{self.stack}embed_tokens.weight"]
        return F.linear(hidden.to(PRODUCTS), (table if ids is None else table[ids]).to(PRODUCTS))
