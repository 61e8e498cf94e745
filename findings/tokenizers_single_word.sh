#!/usr/bin/env bash
# @huggingface/tokenizers 0.2.0 (npm) cuts an added token with single_word out of longer words; Python's tokenizers 0.23.2, whose file it reads, doesn't.
# Expected: the ids of Python's library on the same tokenizer.json, as everywhere else. There, single_word means: not where a letter, digit or
# underscore stands beside it.
# Seen: "acm" becomes a + cm instead of a, c, m; the same for "cmd", "5cm", "_cm", "écm". Nothing is thrown, the key is passed over.
# Why it matters: units and abbreviations are added as such tokens. A model that was trained in Python is asked with other ids in JavaScript wherever
# one of them stands within a word, and the other way round.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check --no-deps tokenizers==0.23.2 2>/dev/null
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @huggingface/tokenizers@0.2.0
cat >make.py <<'PY'
import json
from tokenizers import AddedToken, Tokenizer, models
letters = ['<unk>'] + [chr(code) for code in range(33, 127)]
tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[], unk_token='<unk>'))
tokenizer.add_tokens([AddedToken('cm', single_word=True)])
tokenizer.save('tokenizer.json')
texts = ['5 cm', 'cm.', '(cm)', 'acm', 'cmd', '5cm', '_cm', 'écm']
json.dump([[text, tokenizer.encode(text, add_special_tokens=False).ids] for text in texts], open('python.json', 'w'))
PY
env/bin/python make.py
cat >show.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { Tokenizer } from '@huggingface/tokenizers';
const json = (name) => JSON.parse(readFileSync(name, 'utf8'));
const tokenizer = new Tokenizer(json('tokenizer.json'), {});
let holds = true;
for (const [text, python] of json('python.json')) {
  const seen = tokenizer.encode(text, { add_special_tokens: false }).ids;
  const isWithinWord = /[\p{L}\p{N}_]cm|cm[\p{L}\p{N}_]/u.test(text);
  console.log(`${JSON.stringify(text).padEnd(8)} Python ${python.join(' ').padEnd(10)} seen ${seen.join(' ')}`);
  holds &&= (seen.join() !== python.join()) === isWithinWord;
}
console.log(holds ? 'As found.' : 'Changed since this was written.');
process.exit(holds ? 0 : 1);
JS
node show.mjs
