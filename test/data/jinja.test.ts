/** Templates against transformers' Jinja2: the chat templates of known models, random snippets, what is refused, what is stopped. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { ChatTemplate } from '../../src/data/chat.ts';
import { NotExact, TemplateFailure } from '../../src/data/jinja/failures.ts';
import { JinjaTemplate } from '../../src/data/jinja/template.ts';
import { UserError } from '../../src/platform.ts';

const golden = (name: string): unknown =>
  JSON.parse(gunzipSync(readFileSync(new URL(`../golden/${name}`, import.meta.url))).toString('utf8'));
const clock = (): Date => new Date(2025, 2, 7, 14, 5, 9);

/** A template's text, null where it raises, `not exact` where it is refused, `slice` where it slices what has no slices. */
function outcome(template: string, variables: Record<string, unknown>): string | null {
  try {
    return new JinjaTemplate(template, clock).render(variables);
  } catch (cause) {
    if (!(cause instanceof TemplateFailure)) throw cause;
    if (/is not subscriptable|unhashable type: 'slice'/.test(cause.message)) return 'slice';
    return cause instanceof NotExact ? 'not exact' : null;
  }
}

interface Conversation {
  messages: unknown[];
  tools?: unknown[];
  gen?: boolean;
  extra?: Record<string, unknown>;
}

describe("chat templates of known models, strings of transformers' apply_chat_template", () => {
  const { special, conversations, templates } = golden('chat_templates.json.gz') as {
    special: Record<string, string>;
    conversations: Conversation[];
    templates: { name: string; text: string; rendered: (string | null)[] }[];
  };

  test('there are enough', () => {
    expect(templates.length).toBeGreaterThanOrEqual(60);
    expect(conversations.length).toBeGreaterThanOrEqual(9);
    expect(templates.flatMap(({ rendered }) => rendered).filter((text) => text !== null).length).toBeGreaterThan(400);
  });

  test.each(templates)('$name', ({ text, rendered }) => {
    conversations.forEach(({ messages, tools, gen, extra }, i) => {
      const variables = { ...special, ...extra, messages, tools: tools ?? null, documents: null, add_generation_prompt: gen ?? false };
      expect(outcome(text, variables), `conversation ${i}`).toBe(rendered[i]);
    });
  });
});

type Snippets = [Record<string, unknown>, ...[string, string | null][]];

/** @returns how many were rendered; those that are refused are not compared */
function compareSnippets([variables, ...snippets]: Snippets): number {
  let compared = 0;
  for (const [template, expected] of snippets) {
    const found = outcome(template, variables);
    // Jinja2 folds a slice of a constant number into nothing, where a slice of a variable number is an error; here both are.
    if (found === 'not exact' || found === 'slice') continue;
    expect(found, template).toBe(expected);
    compared++;
  }
  return compared;
}

describe('random snippets', () => {
  test('of the golden file', () => {
    const snippets = golden('jinja_snippets.json.gz') as Snippets;
    expect(compareSnippets(snippets)).toBeGreaterThan(650);
  });

  const python = process.env['VERNIER_PYTHON'];
  test.skipIf(python === undefined)(
    'of a new seed, beside Python',
    () => {
      const script = new URL('../golden/jinja_snippets.py', import.meta.url).pathname;
      const seed = String(Date.now() % 1_000_000);
      const out = execFileSync(python ?? 'python', [script, seed, '3000'], { encoding: 'utf8', maxBuffer: 1 << 28 });
      expect(compareSnippets(JSON.parse(out) as Snippets), `seed ${seed}`).toBeGreaterThan(2800);
    },
    120_000,
  );
});

describe('what public reports name', () => {
  const turns = [{ role: 'assistant', content: '\n  12.5 mm  ' }];
  test.each([
    ["{{ messages[0].content.strip('\\n') }}", '  12.5 mm  '],
    ["{{ messages[0].content.lstrip('\\n') }}|{{ messages[0].content.rstrip(' ') }}", '  12.5 mm  |\n  12.5 mm'],
    ['{% for i in range(5) %}a{{ i }}{% if i == 2 %}{% break %}{% endif %}b{% endfor %}', 'a0ba1ba2'],
    ['{% for i in range(3) %}a{{ i }}{% if i == 1 %}{% continue %}{% endif %}b{% endfor %}', 'a0ba1a2b'],
    ['{% raw %}{{ x }}{% endraw %}', '{{ x }}'],
    ['{{ true }} {{ none }} {{ 1.0 }} {{ [1, "a", none] }} {{ {"k": false} }}', "True None 1.0 [1, 'a', None] {'k': False}"],
    ['{{ "a" in "abc" }} {{ "k" in {"k": 1} }} {{ 3 not in [1, 2] }}', 'True True True'],
    ['{% set ns = namespace(n=0) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}', '3'],
    ['{{ {"a": [1, {"b": "é<"}]} | tojson(separators=(",", ":")) }}', '{"a":[1,{"b":"é<"}]}'],
    ['{{ [0, 1, 2, 3][::-2] }} {{ "abc"[-2:] }}', '[3, 1] bc'],
    ["{{ strftime_now('%d %b %Y') }}", '07 Mar 2025'],
    ['{{ missing }}|{{ missing is defined }}|{{ messages[0].missing }}', '|False|'],
    ['{% for m in messages %}{% generation %}{{ m.role }}{% endgeneration %}{% endfor %}', 'assistant'],
  ])('%s', (template, expected) => {
    expect(outcome(template, { messages: turns })).toBe(expected);
  });

  test('an attribute of what is undefined is an error', () => {
    expect(outcome('{{ missing.x }}', {})).toBeNull();
    expect(outcome('{{ messages[0].missing.x }}', { messages: turns })).toBeNull();
  });
});

describe('refused when it is loaded', () => {
  test.each([
    ['\n\n{{ x | urlize }}', 'line 3: the chat template cannot be rendered as transformers does: the filter urlize'],
    ["{{ x | map('xmlattr') | list }}", 'the filter xmlattr'],
    ["{{ 'a'.encode('utf-8') }}", 'the method encode()'],
    ['{% if false %}{{ lipsum() }}{% endif %}', 'the function lipsum()'],
    ["{% include 'x' %}", 'the tag {% include %}'],
    ['{% block a %}{% endblock %}', 'the tag {% block %}'],
    ["{{ '%x' % 3 }}", 'the conversion %x'],
    ["{{ '{:>4}'.format(3) }}", 'the field {:>4}'],
    ["{{ strftime_now('%c') }}", 'strftime_now with %c'],
  ])('%s', (template, words) => {
    expect(() => new ChatTemplate(template, {}, 'base/chat_template.jinja')).toThrow(UserError);
    expect(() => new ChatTemplate(template, {}, 'base/chat_template.jinja')).toThrow(words);
  });

  test.each([
    ['{% if %}'],
    ['{{ x'],
    ['{% for x in y %}'],
    ['{{ x | nosuch }}'],
    ['{{ x is nosuch }}'],
    ['{% do x %}'],
    ["{{ 'a }}"],
    ['{% break %}'],
    ['{# a'],
  ])('%s, as no Jinja', (template) => {
    expect(() => new ChatTemplate(template, {}, 'base/chat_template.jinja')).toThrow(
      /^base\/chat_template.jinja, line 1: the chat template cannot be read/,
    );
  });
});

describe('stopped', () => {
  test.each([
    ['a loop over everything', '{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}', 'steps'],
    ['a filter in a loop', '{% for a in range(100000) %}{{ range(100000) | list | length }}{% endfor %}', 'steps'],
    ['a macro that calls itself', '{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}', 'deep'],
    ['a loop that calls itself', '{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}', 'deep'],
    ['a long text', "{{ 'x' * 10000000000 }}", 'too long'],
    ['a longer range than the sandbox allows', '{{ range(100001) }}', 'Range too big'],
    ['a power', '{{ 10 ** 10000000 }}', 'too large'],
  ])('%s', (_, template, words) => {
    const chat = new ChatTemplate(template, {}, 'base/chat_template.jinja');
    expect(() => chat.render([])).toThrow(UserError);
    expect(() => chat.render([])).toThrow(words);
    expect(() => chat.render([])).toThrow('base/chat_template.jinja');
  });

  test('brackets in brackets', () => {
    expect(() => new ChatTemplate(`{{ ${'('.repeat(100_000)}`, {}, 'x.jinja')).toThrow(UserError);
  });
});
