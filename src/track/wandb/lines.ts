/**
 * The lines of a run's history, in a file, so that nothing is lost while the server is away, and the newest of them in memory. Line i of
 * this list is line `base + i` of the run on the server.
 */
import type { Platform } from '../../platform.ts';

/** Lines kept in memory; those before are read from the file again, which only a long outage asks for. */
const IN_MEMORY = 4096;

export class HistoryLines {
  readonly #platform: Platform;
  readonly #path: string;
  #count = 0;
  #recent: string[] = [];

  constructor(platform: Platform, path: string) {
    this.#platform = platform;
    this.#path = path;
  }

  get count(): number {
    return this.#count;
  }

  async append(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    await this.#platform.appendFile(this.#path, lines.map((line) => `${line}\n`).join(''));
    this.#count += lines.length;
    this.#recent.push(...lines);
    if (this.#recent.length > 2 * IN_MEMORY) this.#recent = this.#recent.slice(-IN_MEMORY);
  }

  /** At most `most` lines from line `from` on. */
  async read(from: number, most: number): Promise<string[]> {
    const inMemory = this.#count - this.#recent.length;
    if (from >= inMemory) return this.#recent.slice(from - inMemory, from - inMemory + most);
    const text = new TextDecoder().decode(await this.#platform.readFile(this.#path));
    return text.split('\n').slice(from, Math.min(from + most, this.#count));
  }
}
