#!/usr/bin/env bash
# transformers 5.18.0: in bfloat16 SmolVLM2-2.2B's vision tower (384 pixels, patches of 14) uses 21 of the 27 rows and columns of its learnt positions.
# Expected: the tower that was pretrained in float32 with one position for each patch has them in every dtype; patch 15 is at position 15.
# Seen: a patch's fraction of the picture is rounded to the dtype of the pixels before it is put into a bin, and those on the border of a bin fall into the one
# before: rows and columns 15, 17, … 25 share the position of the one before, 441 of the 729 positions are used. In float32 all are; 512 pixels by 16, as in
# the 256M and 500M models, come out right in both. In float32 other tables have such patches: of 25 rows six are lost, of 19 one.
# Why it matters: bfloat16 is what the model card loads. Positions are a few pixels' worth of where a thing is, which measuring needs; features of float32 and
# bfloat16 differ by more than rounding, and a port that counts patches agrees with neither. Idefics2, Idefics3 and SmolVLM share the code. Installs torch.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --retries 0 --disable-pip-version-check torch==2.13.0 transformers==5.18.0 2>/dev/null
cat >show.py <<'PY'
import sys
import torch
from transformers.models.smolvlm.configuration_smolvlm import SmolVLMVisionConfig
from transformers.models.smolvlm.modeling_smolvlm import SmolVLMVisionEmbeddings
holds = True
for size, patch, dtype, before in [(384, 14, torch.float32, 27), (384, 14, torch.bfloat16, 21), (512, 16, torch.float32, 32), (512, 16, torch.bfloat16, 32),
                                   (400, 16, torch.float32, 19), (304, 16, torch.float32, 18)]:
    module = SmolVLMVisionEmbeddings(SmolVLMVisionConfig(hidden_size=8, image_size=size, patch_size=patch, num_attention_heads=1)).to(dtype)
    seen = []
    module.position_embedding.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    side = size // patch
    module(torch.zeros(1, 3, size, size, dtype=dtype), torch.ones(1, side, side, dtype=torch.bool))
    used = len(seen[0].unique())
    print(f'{size} by {patch}, {str(dtype)[6:]}:'.ljust(24), f'expected {side ** 2} positions, used {used}')
    holds &= used == before ** 2
print('As found.' if holds else 'Changed since this was written.')
sys.exit(0 if holds else 1)
PY
env/bin/python show.py
