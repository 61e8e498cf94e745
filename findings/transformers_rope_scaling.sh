#!/usr/bin/env bash
# transformers 5.18.0: a `rope_scaling` in config.json beside `rope_parameters` replaces all of it, rope_theta included, and nothing is said.
# Expected: rope_parameters, the key of version 5, counts, or the two are put together, or the file is refused. rope_scaling is the old name of that key, for
# which recipes on long contexts still say: add it.
# Seen: with rope_theta 300 in rope_parameters and YaRN in rope_scaling the model has YaRN with rope_theta 10000, the default of the class. A scaling that
# rope_parameters held is gone as well. `rope_theta` at the top, beside rope_parameters, is ignored the other way round.
# Why it matters: a base saved by version 5, with YaRN added after a model card's advice, runs with other frequencies than it was trained with at every
# length. Programs that read rope_parameters first run another model on the same folder.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check transformers==5.18.0 2>/dev/null
cat >show.py <<'PY'
import json, logging, os, sys, warnings
os.environ['HF_HUB_OFFLINE'] = '1'
from transformers import AutoConfig
said = []
handler = logging.Handler(); handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger('transformers').addHandler(handler)
plain, linear = {'rope_type': 'default', 'rope_theta': 300.0}, {'rope_type': 'linear', 'factor': 8.0, 'rope_theta': 300.0}
yarn = {'type': 'yarn', 'factor': 4.0, 'original_max_position_embeddings': 32}
cases = [ # keys of the file, (type, theta, factor) seen
    ({'rope_theta': 300.0, 'rope_scaling': yarn}, ('yarn', 300.0, 4.0)),
    ({'rope_parameters': plain}, ('default', 300.0, None)),
    ({'rope_parameters': plain, 'rope_scaling': yarn}, ('yarn', 10000.0, 4.0)),
    ({'rope_parameters': linear, 'rope_scaling': yarn}, ('yarn', 10000.0, 4.0)),
    ({'rope_parameters': plain, 'rope_theta': 500.0}, ('default', 300.0, None)),
]
holds = True
for keys, before in cases:
    config = {'model_type': 'qwen2', 'hidden_size': 64, 'num_attention_heads': 4, 'max_position_embeddings': 128, **keys}
    json.dump(config, open('config.json', 'w'))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter('always')
        rope = AutoConfig.from_pretrained('.').rope_parameters
    seen = rope['rope_type'], rope['rope_theta'], rope.get('factor')
    print(json.dumps(keys), '->', *seen)
    holds &= seen == before and not said and not told
print('As found.' if holds else 'Changed since this was written.')
sys.exit(0 if holds else 1)
PY
env/bin/python show.py
