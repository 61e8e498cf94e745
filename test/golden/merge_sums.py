"""
LoRA merged in float32 as PEFT does it on a CPU, W + (B @ A) * s and m / ‖·‖ · (…), for ranks up to 512: the bits of every sum, as a SHA-256 of the result.

    python test/golden/merge_sums.py > test/golden/merge_sums.json

Inputs are made of integers, so that the test makes the same: value i of a matrix with seed n is ((i * 2654435761 + n * 40503) mod 2^32 >> 8) / 2^24 - 0.5.
"""
import hashlib
import json

import torch

torch.set_num_threads(1)


def matrix(seed, *shape):
    count = 1
    for size in shape:
        count *= size
    words = (torch.arange(count, dtype=torch.int64) * 2654435761 + seed * 40503) & 0xFFFFFFFF
    return ((words >> 8).double() / 2**24 - 0.5).float().reshape(shape)


def digest(values):
    return hashlib.sha256(values.contiguous().numpy().tobytes()).hexdigest()


cases = []
for rank in (1, 4, 5, 8, 16, 64, 192, 193, 256, 384, 512):
    out, into, scaling = 32, 64, 2 / rank**0.5
    weight, a, b = matrix(1, out, into), matrix(2, rank, into), matrix(3, out, rank)
    magnitude = matrix(4, out) + 1
    merged = weight + (b @ a) * scaling
    dora = (magnitude / torch.linalg.norm(merged, dim=1)).view(-1, 1) * merged
    cases.append({"rank": rank, "scaling": scaling, "lora": digest(merged), "dora": digest(dora), "first": merged[0, :3].tolist()})
print(json.dumps({"shape": [out, into], "cases": cases}, indent=1))
