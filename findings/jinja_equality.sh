#!/usr/bin/env bash
# @huggingface/jinja 0.5.11 compares lists and objects by identity, and text with numbers as if they were one kind.
# Expected (Python, Jinja2): [1, 2] == [1, 2] is true and '1' == 1 false.
# Seen: the other way round: equal lists and objects are never equal, '1' == 1 is true; and 1 == true is true, but 1 in [true] false.
# Nothing is thrown.
# Why it matters: a chat template that asks whether two turns have the same content parts or arguments, or whether a value is the text '1' or the number,
# goes another way in JavaScript than in Python, and other text is trained or asked.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @huggingface/jinja@0.5.11
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check jinja2==3.1.6 2>/dev/null
cat >cases.json <<'JSON'
["[1, 2] == [1, 2]", "{'a': 1} == {'a': 1}", "[1, 2] != [1, 2]", "'1' == 1", "'1' != 1", "1 == true", "1 in [true]"]
JSON
cat >python.py <<'PY'
import json
from jinja2 import Environment
print(json.dumps([bool(Environment().compile_expression(case)()) for case in json.load(open('cases.json'))]))
PY
env/bin/python python.py >python.json
cat >show.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { Template } from '@huggingface/jinja';
const [cases, python] = ['cases.json', 'python.json'].map((name) => JSON.parse(readFileSync(name, 'utf8')));
const before = [false, false, true, true, false, true, false];
let holds = true;
cases.forEach((expression, i) => {
  const seen = new Template(`{{ 'yes' if ${expression} else 'no' }}`).render({}) === 'yes';
  console.log(`${expression.padEnd(22)} Jinja2 ${String(python[i]).padEnd(6)} seen ${seen}`);
  holds &&= seen === before[i];
});
console.log(holds ? 'As found.' : 'Changed since this was written.');
process.exit(holds ? 0 : 1);
JS
node show.mjs
