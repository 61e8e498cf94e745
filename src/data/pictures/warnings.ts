/**
 * What pictures say of how they were read (PictureNote), told once a run and not once a picture: the first of a kind at once, the number at
 * the end.
 */
import type { PictureNote } from '../../platform.ts';

const KINDS: Record<PictureNote['kind'], (pictures: string) => string> = {
  clipped: (pictures) => `${pictures} in all had greys of more than 8 bits cut off at 255 (--sixteen_bit clip).`,
  frames: (pictures) => `${pictures} in all had more than one frame or page, of which the first was used.`,
};

export class PictureWarnings {
  private readonly say: (text: string) => void;
  /** Names by kind: a picture that is read in every epoch is one picture. */
  private readonly names = new Map<PictureNote['kind'], Set<string>>();

  constructor(say: (text: string) => void) {
    this.say = say;
  }

  add(notes: readonly PictureNote[]): void {
    for (const { kind, name, text } of notes) {
      const names = this.names.get(kind) ?? new Set<string>();
      if (names.size === 0) this.say(`Warning: ${text} Others like it are counted and told at the end.`);
      this.names.set(kind, names.add(name));
    }
  }

  /** Says how many there were, where there was more than one. */
  end(): void {
    for (const [kind, { size }] of this.names) if (size > 1) this.say(`Warning: ${KINDS[kind](`${size} pictures`)}`);
  }
}
