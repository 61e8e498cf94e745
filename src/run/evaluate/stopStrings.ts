/** `--stop_strings`: an answer ends where one of some texts is written, which stays its end, as transformers' `stop_strings` has it. */
import type { Processor } from '../../data/example.ts';

/** A token may be a part of a character, and of a text at most that many are looked at behind its length. */
const TOKENS_A_CHARACTER = 4;

/** Whether an answer has just written one of the texts. */
export function endsAt(processor: Pick<Processor, 'decode'>, texts: readonly string[]): ((ids: readonly number[]) => boolean) | undefined {
  if (texts.length === 0) return undefined;
  const tail = TOKENS_A_CHARACTER * (Math.max(...texts.map((text) => text.length)) + 1);
  return (ids) => {
    const end = processor.decode(ids.slice(-tail), { skipSpecialTokens: true });
    return texts.some((text) => end.includes(text));
  };
}

/** The answer without what a last token has written behind the text that ends it. */
export function upToStop(answer: string, texts: readonly string[]): string {
  const ends = texts.flatMap((text) => {
    const at = answer.indexOf(text);
    return at < 0 ? [] : [at + text.length];
  });
  return answer.slice(0, Math.min(answer.length, ...ends));
}
