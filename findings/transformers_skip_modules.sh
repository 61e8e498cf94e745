#!/usr/bin/env bash
# transformers 5.18.0: a list of modules not to quantise keeps none of a vision tower that is named `visual`, and of layers 1, 10 and 11 where it names layer 1.
# Expected: what lies below the modules named. "visual" is every Linear below model.visual, as up to 4.57, which looked for the name and a dot anywhere in
# the path; "model.language_model.layers.1" is the seven of layer 1.
# Seen: a name counts where a path begins with it, as a regular expression that may end within a word, or ends with it. So "visual" and "merger" keep nothing,
# model.visual does, and layers.1 keeps layers.10 and .11 too. Nothing is thrown or logged for a name that fits nothing.
# Why it matters: llm_int8_skip_modules=["visual"] stands in many recipes for Qwen2-VL and its kin, to keep the vision tower out of four bits; in version 5
# it is quantised as a whole, and adapters are trained beside another base than the recipe's. bitsandbytes' integration asks the same function as others'.
# Shown with the quantiser that needs no package of its own and no GPU (BitNet, whose linear modules quantise as they go), on a tiny model. Installs torch.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --retries 0 --disable-pip-version-check torch==2.13.0 transformers==5.18.0 accelerate==1.15.0 2>/dev/null
cat >show.py <<'PY'
import json, logging, os, sys
os.environ['HF_HUB_OFFLINE'] = '1'
import transformers
from torch import nn
from transformers import AutoModelForImageTextToText, Qwen2_5_VLConfig
from transformers.integrations import bitsandbytes
from transformers.quantizers.quantizers_utils import should_convert_module
text = {'hidden_size': 32, 'intermediate_size': 64, 'num_hidden_layers': 12, 'num_attention_heads': 4, 'num_key_value_heads': 2, 'vocab_size': 64,
        'bos_token_id': 0, 'eos_token_id': 0}
vision = {'depth': 2, 'hidden_size': 32, 'intermediate_size': 64, 'num_heads': 2, 'out_hidden_size': 32}
model = AutoModelForImageTextToText.from_config(Qwen2_5_VLConfig(text_config=text, vision_config=vision))
model.save_pretrained('model')
names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
config = json.load(open('model/config.json'))
transformers.utils.logging.disable_progress_bar()
said = []
handler = logging.Handler(); handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger('transformers').addHandler(handler)

def kept(skip):
    config['quantization_config'] = {'quant_method': 'bitnet', 'linear_class': 'autobitlinear', 'quantization_mode': 'online', 'modules_to_not_convert': skip}
    json.dump(config, open('model/config.json', 'w'))
    loaded = AutoModelForImageTextToText.from_pretrained('model')
    return [name for name, module in loaded.named_modules() if type(module) is nn.Linear]

print(f'transformers {transformers.__version__}, {len(names)} Linear modules')
holds = bitsandbytes.should_convert_module is should_convert_module
for skip, before in (('visual', 0), ('model.visual', 12), ('merger', 0), ('model.visual.merger', 2), ('q_proj', 12), ('model.language_model.layers.1', 21)):
    expected = [name for name in names if f'.{skip}.' in f'.{name}.']
    seen = kept([skip])
    others = sorted({'.'.join(name.split('.')[:4]) for name in seen if name not in expected})
    print(f'["{skip}"]'.ljust(34), f'expected {len(expected):2} kept, seen {len(seen):2}', *(['with those of', *others] if others else []))
    holds &= len(seen) == before
warned = [line for line in said if 'GPU' not in line]
print('warnings:', warned or 'none')
holds &= not warned
print('As found.' if holds else 'Changed since this was written.')
sys.exit(0 if holds else 1)
PY
env/bin/python show.py
