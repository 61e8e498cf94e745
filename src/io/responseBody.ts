/** Bodies of answers, read as far as they may go: a server, or a bomb that unfolds on the way, must not fill the memory. */

export class BodyTooLong extends Error {
  override readonly name = 'BodyTooLong';
}

/** @throws BodyTooLong beyond `most` bytes (unpacked); the connection is given up there */
export async function bodyText(response: Response, most: number): Promise<string> {
  const { text, isWhole } = await read(response, most);
  if (!isWhole) throw new BodyTooLong(`the answer is longer than ${most} bytes`);
  return text;
}

/** The beginning of a body: of an error, for people. */
export async function bodyStart(response: Response, most: number): Promise<string> {
  return (await read(response, most)).text;
}

async function read(response: Response, most: number): Promise<{ text: string; isWhole: boolean }> {
  if (response.body === null) return { text: '', isWhole: true };
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const pieces: string[] = [];
  let left = most;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { text: pieces.join('') + decoder.decode(), isWhole: true };
      pieces.push(decoder.decode(value.subarray(0, left), { stream: true }));
      left -= value.length;
      if (left < 0) return { text: pieces.join(''), isWhole: false };
    }
  } finally {
    await reader.cancel().catch(() => undefined); // an errored stream has nothing left to give up
  }
}
