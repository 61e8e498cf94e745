/** A model that is asked: prompts made as evaluation makes them, answers as they are written, token by token where somebody listens. */
import { textsOf } from '../../data/example.ts';
import type { Example } from '../../data/example.ts';
import type { ExampleMaker, RowRequest } from '../../data/exampleMaker.ts';
import { generateBatch } from '../../models/generate.ts';
import type { GeneratedAnswer } from '../../models/generate.ts';
import { countOf, UserError } from '../../platform.ts';
import type { Session } from '../../train/session.ts';

export interface Written {
  text: string;
  finish: GeneratedAnswer['finish'];
  promptTokens: number;
  answerTokens: number;
}

export interface Listening {
  maxNewTokens: number;
  stop?: AbortSignal;
  /** Told of what the text grows by; all pieces together are the text. */
  onText?: (piece: string) => void;
}

/** Longer texts are refused before they are tokenised, which would take its time. */
const CHARACTERS_PER_TOKEN = 16;

export class Asker {
  private readonly session: Session;
  private readonly maker: ExampleMaker;
  private readonly maxTokens: number;

  /** @param maxTokens that the model has positions for */
  constructor(session: Session, maker: ExampleMaker, maxTokens: number) {
    this.session = session;
    this.maker = maker;
    this.maxTokens = maxTokens;
  }

  /** The question as the model gets it. @throws UserError for what cannot be asked */
  async prompt(request: RowRequest): Promise<Example> {
    if (request.kind === 'conversation') {
      const characters = textsOf(request.conversation.messages).reduce((sum, { length }) => sum + length, 0);
      if (characters > CHARACTERS_PER_TOKEN * this.maxTokens) throw this.tooLong(`${characters} characters`);
    }
    const example = await this.maker.make({ ...request, ask: true });
    const tokens = example.inputIds.length;
    if (tokens >= this.maxTokens) throw this.tooLong(countOf(tokens, 'token'));
    return example;
  }

  async answer(example: Example, { maxNewTokens, stop, onText }: Listening): Promise<Written> {
    const { device, model, processor } = this.session;
    const promptTokens = example.inputIds.length;
    const decode = (ids: readonly number[]): string => processor.decode(ids, { skipSpecialTokens: true });
    const seen: number[] = [];
    let told = '';
    const tell = (text: string): void => {
      if (onText === undefined || text.length <= told.length || !text.startsWith(told)) return;
      const piece = text.slice(told.length);
      told = text;
      onText(piece);
    };
    const [written] = await generateBatch(device, model, [example], {
      maxNewTokens: Math.min(maxNewTokens, this.maxTokens - promptTokens),
      endIds: processor.endOfTurnIds,
      ...(stop && { stop }),
      ...(onText && {
        onToken(id) {
          seen.push(id);
          // A character of several tokens shows as � until its last one is there, and white space may belong to what follows.
          tell(decode(seen).replace(/[\uFFFD\s]+$/, ''));
        },
      }),
    });
    const { ids, finish } = written!;
    const text = decode(ids);
    tell(text);
    return { text, finish, promptTokens, answerTokens: ids.length };
  }

  private tooLong(found: string): UserError {
    return new UserError(
      `The question has ${found}, its pictures among them; the model has ${this.maxTokens} positions for question and answer. ` +
        'Shorten it, or make the pictures smaller (--max_pixels).',
    );
  }
}
