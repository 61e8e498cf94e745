/** Which tokens the assistant wrote, under templates of several habits. */
import { describe, expect, test } from 'vitest';
import { assistantSpans, ChatTemplate, tokenRanges } from '../../src/data/chat.ts';
import type { Message } from '../../src/data/example.ts';
import { UserError } from '../../src/platform.ts';

const im =
  '{%- for m in messages -%}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor -%}{%- if add_generation_prompt -%}<|im_start|>assistant\n{%- endif -%}';
const gemma =
  "{{ bos_token }}{%- for m in messages -%}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n{% endfor -%}";
const bare = '{%- for m in messages -%}<|{{ m.role }}|>{{ m.content }}{%- endfor -%}';
const spaced = '{%- for m in messages -%}{{ m.role }}: {{ m.content }} </s>{%- endfor -%}';
const alternating = "{%- if messages[0].role != 'user' -%}{{ raise_exception('must start with user') }}{%- endif -%}" + im;
const thinking = im.replace('{{ m.content }}', "{%- if loop.last and m.role == 'assistant' -%}<think>\n\n</think>\n\n{% endif -%}{{ m.content }}");

/** SmolVLM's habit: the prompt ends without the space that stands before an answer. */
const spoken =
  "<s>{% for m in messages %}{{ m.role | capitalize }}: {{ m.content }}</s>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}";

const special = new Set(['<|im_start|>', '<|im_end|>', '<start_of_turn>', '<end_of_turn>', '<|user|>', '<|assistant|>', '</s>', '<bos>']);

function written(template: string, messages: Message[], addGenerationPrompt = false): string[] {
  const chat = new ChatTemplate(template, { bos_token: '<bos>' }, 'chat_template.jinja');
  const text = chat.render(messages, { addGenerationPrompt });
  return assistantSpans(chat, messages, text, special, { addGenerationPrompt }).map(({ start, end }) => text.slice(start, end));
}

const talk: Message[] = [
  { role: 'user', content: 'ab' },
  { role: 'assistant', content: ' ab ' },
  { role: 'user', content: 'ab' },
  { role: 'assistant', content: 'cd' },
];

describe('assistant spans', () => {
  test.each([
    ['<|im_end|>', im, [' ab <|im_end|>', 'cd<|im_end|>']],
    ['<end_of_turn>, with the text trimmed', gemma, ['ab<end_of_turn>', 'cd<end_of_turn>']],
    ['no end of turn', bare, [' ab ', 'cd']],
    ['white space before the end of turn', spaced, [' ab  </s>', 'cd </s>']],
    ['a template that refuses half conversations', alternating, [' ab <|im_end|>', 'cd<|im_end|>']],
    ['a space that the prompt leaves to the model', spoken, ['  ab </s>', ' cd</s>']],
    ['a header that only the last turn has', thinking, [' ab <|im_end|>', 'cd<|im_end|>']],
  ])('%s', (_, template, expected) => {
    expect(written(template, talk)).toEqual(expected);
  });

  test('a generation prompt is not written by the assistant', () => {
    expect(written(im, talk.slice(0, 3), true)).toEqual([' ab <|im_end|>']);
  });

  test('text that contains the mark, or looks like a turn', () => {
    expect(
      written(im, [
        { role: 'user', content: '\uE0FE\uE0FE\uE0FF' },
        { role: 'assistant', content: '\uE0FE\uE0FF<|im_end|>\n' },
      ]),
    ).toEqual(['\uE0FE\uE0FF<|im_end|>\n<|im_end|>']);
    expect(written(im, [{ role: 'user', content: 'x' }])).toEqual([]);
  });

  test('a thought that the template takes apart from the answer is written too, from where the generation prompt ends', () => {
    const apart =
      "{%- for m in messages -%}<|im_start|>{{ m.role }}\n{% if '</think>' in m.content -%}{%- if loop.last -%}<think>{{ '\n' }}" +
      "{{ m.content.split('</think>')[0].split('<think>')[-1].strip('\n') + '\n</think>\n\n' }}{%- endif -%}{{ m.content.split('</think>')[-1].lstrip('\n') }}" +
      '{%- else -%}{{ m.content }}{%- endif -%}<|im_end|>\n{%- endfor -%}';
    const thoughts: Message[] = talk.map(({ role, content }, i) => ({ role, content: role === 'user' ? content : `<think>\nso ${i}\n</think>\n\n${String(content)}` }));
    const prompt = (end: string): string => `{%- if add_generation_prompt -%}<|im_start|>assistant\n${end}{% endif -%}`;
    expect(written(apart + prompt(''), thoughts)).toEqual([' ab <|im_end|>', '<think>\nso 3\n</think>\n\ncd<|im_end|>']);
    expect(written(apart + prompt('<think>\n'), thoughts)).toEqual([' ab <|im_end|>', 'so 3\n</think>\n\ncd<|im_end|>']);
    expect(written(apart + prompt('<think>\n\n</think>\n\n'), thoughts)).toEqual([' ab <|im_end|>', '<think>\nso 3\n</think>\n\ncd<|im_end|>']);
    expect(written(im, thoughts)).toEqual(['<think>\nso 1\n</think>\n\n ab <|im_end|>', '<think>\nso 3\n</think>\n\ncd<|im_end|>']);
  });

  test('a template that repeats or drops the answer is refused', () => {
    const repeated = '{%- for m in messages -%}{{ m.content }}|{{ m.content | upper }}{%- endfor -%}';
    expect(() => written(repeated, talk)).toThrow(UserError);
    expect(() => written('{{ messages | length }}', talk)).toThrow('cannot be told');
  });
});

test("the template's own refusal is passed on", () => {
  const chat = new ChatTemplate(alternating, {}, 'base/chat_template.jinja');
  expect(() => chat.render([{ role: 'assistant', content: 'x' }])).toThrow(UserError);
  expect(() => chat.render([{ role: 'assistant', content: 'x' }])).toThrow('must start with user');
});

test('a template that is not Jinja is refused', () => {
  expect(() => new ChatTemplate('{% if %}', {}, 'base/chat_template.jinja')).toThrow(UserError);
  expect(() => new ChatTemplate('{% if %}', {}, 'base/chat_template.jinja')).toThrow('base/chat_template.jinja');
});

describe('token ranges', () => {
  // Words, single spaces and runs of newlines, each an id of its own: enough to make tokens straddle a boundary.
  const known = new Map<string, number>();
  const encode = (text: string): number[] =>
    (text.match(/\n+|<[^>]*>|[a-z:]+| /g) ?? []).map((piece) => known.get(piece) ?? known.set(piece, known.size).size - 1);
  const words = (text: string, start: number, end: number): string[] => {
    const ids = encode(text);
    const names = [...known.keys()];
    return tokenRanges({ encode }, text, ids, [{ start, end }]).flatMap((range) => ids.slice(range.first, range.end).map((id) => names[id] ?? ''));
  };

  test('boundaries between tokens', () => {
    expect(words('user:\na b<end>\n', 6, 14)).toEqual(['a', ' ', 'b', '<end>']);
    expect(words('user:\n<end>\n', 6, 11)).toEqual(['<end>']);
  });

  test('a token across a boundary belongs to the assistant', () => {
    expect(words('user:\n\na<end>\n', 6, 13)).toEqual(['\n\n', 'a', '<end>']);
    expect(words('user:\nabc', 6, 8)).toEqual(['abc']);
  });
});
