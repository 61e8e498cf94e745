/** What views tell the person beside what they show. */
export interface Told {
  say: (text: string) => void;
  failed: (error: unknown) => void;
}
