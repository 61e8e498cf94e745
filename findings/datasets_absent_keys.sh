#!/usr/bin/env bash
# datasets 5.0.1: keys that a message part does not have come back as None from Dataset.from_list, and are absent after load_dataset('json') of the same rows.
# Expected: the rows as they were, or at least one answer for both ways. A part of type text has no key `image`.
# Seen: {'type': 'text', 'image': None, 'text': …} from from_list, and from Parquet written of it; a file of JSON lines is read into a type of its own
# (Json), which keeps parts as they are.
# Why it matters: chat templates of vision models ask `'image' in part` (Qwen2-VL's and those after it). With the None there the text of the question
# is rendered as one more picture: the text is gone from training, and the count of pictures no longer fits. It depends on how rows were loaded.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check datasets==5.0.1 jinja2==3.1.6 2>/dev/null
cat >show.py <<'PY'
import json, os, sys
os.environ.update(HF_HUB_OFFLINE='1', HF_HOME=os.getcwd(), HF_DATASETS_DISABLE_PROGRESS_BARS='1')
from datasets import Dataset, load_dataset
from jinja2 import Environment
parts = [{'type': 'image', 'image': 'a.png'}, {'type': 'text', 'text': 'How wide is it?'}]
rows = [{'messages': [{'role': 'user', 'content': parts}]}]
with open('rows.jsonl', 'w') as file:
    file.write(json.dumps(rows[0]) + '\n')
made = Dataset.from_list(rows)
made.to_parquet('rows.parquet')
template = Environment().from_string("{% for part in parts %}{% if 'image' in part %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}")
filled, right = '<image><image>', '<image>How wide is it?'
holds = True
for way, data, before in (('as written', rows, right), ('load_dataset json', load_dataset('json', data_files='rows.jsonl', split='train'), right),
                          ('Dataset.from_list', made, filled), ('its Parquet', load_dataset('parquet', data_files='rows.parquet', split='train'), filled)):
    content = data[0]['messages'][0]['content']
    seen = template.render(parts=content)
    print(f'{way:18} {content[1]} -> {seen}')
    holds &= seen == before
print('As found.' if holds else 'Changed since this was written.')
sys.exit(0 if holds else 1)
PY
env/bin/python show.py
