#!/usr/bin/env bash
# @huggingface/jinja 0.5.11 prints true, none, lists and objects as JSON, and none alone as nothing.
# Expected (Jinja2, which prints Python's own values): True, None, [True, None, 'a'], {'unit': 'mm'}, also through the filter `string` and `~`.
# Seen: true, an empty text, [true, null, "a"], {"unit": "mm"}, and behind ~ even [object Map]. Nothing is thrown.
# Why it matters: chat templates write the arguments of a tool call with `value | string`, or a schema with {{ tool }}. Those turns have other characters
# in JavaScript than transformers gave while the model was trained: True for true is another token, and so is ' for ".
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @huggingface/jinja@0.5.11
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check jinja2==3.1.6 2>/dev/null
cat >cases.json <<'JSON'
[["{{ flag }}", "true"], ["{{ flag | string }}", "true"], ["{{ nothing }}", ""], ["{{ 'x' ~ flag }}", "xtrue"], ["{{ list }}", "[true, null, \"a\"]"],
 ["{{ object }}", "{\"unit\": \"mm\"}"], ["{{ 'is ' ~ object }}", "is [object Map]"], ["{{ 'a b'.split(' ') }}", "[\"a\", \"b\"]"]]
JSON
cat >python.py <<'PY'
import json
from jinja2 import Environment
values = dict(flag=True, nothing=None, list=[True, None, 'a'], object={'unit': 'mm'})
print(json.dumps([Environment().from_string(template).render(values) for template, _ in json.load(open('cases.json'))]))
PY
env/bin/python python.py >python.json
cat >show.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { Template } from '@huggingface/jinja';
const [cases, python] = ['cases.json', 'python.json'].map((name) => JSON.parse(readFileSync(name, 'utf8')));
let holds = true;
cases.forEach(([template, before], i) => {
  const seen = new Template(template).render({ flag: true, nothing: null, list: [true, null, 'a'], object: { unit: 'mm' } });
  console.log(`${template.padEnd(24)} Jinja2 ${python[i].padEnd(20)} seen ${seen}`);
  holds &&= seen === before && seen !== python[i];
});
console.log(holds ? 'As found.' : 'Changed since this was written.');
process.exit(holds ? 0 : 1);
JS
node show.mjs
