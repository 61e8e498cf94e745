#!/usr/bin/env bash
# @huggingface/jinja 0.5.11: what a loop's pass has written before {% break %} or {% continue %} is lost.
# Expected (Jinja2 with jinja2.ext.loopcontrols, which transformers switches on): "a1;a2" and "a1;a2a3;".
# Seen: "a1;" and "a1;a3;". Nothing is thrown.
# Why it matters: a chat template that writes a turn's header and then leaves the loop renders another conversation in JavaScript than in Python:
# the model is trained and asked with text missing.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @huggingface/jinja@0.5.11
cat >show.mjs <<'JS'
import { Template } from '@huggingface/jinja';
let holds = true;
for (const [word, python, before] of [['break', 'a1;a2', 'a1;'], ['continue', 'a1;a2a3;', 'a1;a3;']]) {
  const seen = new Template(`{% for i in [1, 2, 3] %}a{{ i }}{% if i == 2 %}{% ${word} %}{% endif %};{% endfor %}`).render({});
  console.log(`{% ${word} %}`.padEnd(15), `Jinja2 ${python}`.padEnd(17), `seen ${seen}`);
  holds &&= seen === before;
}
console.log(holds ? 'As found.' : 'Changed since this was written.');
process.exit(holds ? 0 : 1);
JS
node show.mjs
