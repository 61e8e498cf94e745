/**
 * The other common way to write a conversation, ShareGPT's and LLaVA's: `{"conversations": [{"from": "human", "value": "<image>\nWhere?"}, {"from": "gpt",
 * "value": "Here."}], "image": "a.png"}`. It is brought into the form of `messages`, which is then checked as any other.
 */

const ROLE_OF: Readonly<Record<string, string>> = { human: 'user', user: 'user', gpt: 'assistant', assistant: 'assistant', model: 'assistant', system: 'system' };
const IMAGE = '<image>';

/** Turns as messages; one that is neither form is passed on as it is, for the check to name. */
export function messagesOfTurns(turns: readonly unknown[]): unknown[] {
  return turns.map((turn) => {
    if (typeof turn !== 'object' || turn === null || !('from' in turn)) return turn;
    const { from, value } = turn as { from: unknown; value?: unknown };
    const role = typeof from === 'string' ? (ROLE_OF[from] ?? from) : from;
    return { role, content: typeof value === 'string' && value.includes(IMAGE) ? parts(value) : value };
  });
}

/** Text with image marks as parts, the text to the letter. */
function parts(text: string): unknown[] {
  return text.split(IMAGE).flatMap((piece, i) => [...(i > 0 ? [{ type: 'image' }] : []), ...(piece === '' ? [] : [{ type: 'text', text: piece }])]);
}

/** `image` and `images` of such a row; `image` is one path or several. */
export function imagesOfRow(row: Readonly<Record<string, unknown>>): unknown {
  const { image, images } = row;
  return images ?? (typeof image === 'string' ? [image] : image);
}
