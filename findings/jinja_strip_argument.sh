#!/usr/bin/env bash
# @huggingface/jinja 0.5.11 drops the argument of strip, lstrip and rstrip and removes all white space.
# Expected (Python, Jinja2): '\n  12.5 mm  \n'.lstrip('\n') is '  12.5 mm  \n': only the characters named go.
# Seen: '12.5 mm  \n'. Nothing is thrown.
# Why it matters: QwQ's chat template, and others after it, take the newline off an answer with lstrip('\n'). Rendered in JavaScript, an answer that begins
# with spaces loses them, so other token ids are trained or asked than with transformers, and no message says so.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @huggingface/jinja@0.5.11
cat >show.mjs <<'JS'
import { Template } from '@huggingface/jinja';
const shown = (call) => JSON.stringify(new Template(`{{ x.${call} }}`).render({ x: '\n  12.5 mm  \n' }));
const cases = [
  ["lstrip('\\n')", '"  12.5 mm  \\n"', '"12.5 mm  \\n"'],
  ["rstrip('\\n')", '"\\n  12.5 mm  "', '"\\n  12.5 mm"'],
  ["strip('\\n')", '"  12.5 mm  "', '"12.5 mm"'],
];
let holds = true;
for (const [call, python, before] of cases) {
  const seen = shown(call);
  console.log(`${call.padEnd(14)} Python ${python.padEnd(16)} seen ${seen}`);
  holds &&= seen === before;
}
console.log(holds ? 'As found.' : 'Changed since this was written.');
process.exit(holds ? 0 : 1);
JS
node show.mjs
