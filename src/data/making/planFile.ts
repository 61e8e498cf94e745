/** A plan file as it is written: JSON in gzip, case by case, so that a large data set is never held whole. */
import { Gzip } from 'fflate';
import type { AtomicFile, Platform } from '../../platform.ts';

export class PlanFile {
  private readonly file: AtomicFile;
  private readonly gzip: Gzip;
  private pieces: Uint8Array[] = [];

  private constructor(file: AtomicFile) {
    this.file = file;
    // Without a time, so that the same data set is the same file.
    this.gzip = new Gzip({ level: 6, mtime: 0 }, (piece) => this.pieces.push(piece));
  }

  static async create(platform: Platform, path: string): Promise<PlanFile> {
    return new PlanFile(await platform.createFile(path));
  }

  async write(text: string, isLast = false): Promise<void> {
    this.gzip.push(new TextEncoder().encode(text), isLast);
    const pieces = this.pieces;
    this.pieces = [];
    for (const piece of pieces) await this.file.write(piece);
  }

  /** The file takes its name. */
  async commit(): Promise<void> {
    await this.write('', true);
    await this.file.commit();
  }

  abort(): Promise<void> {
    return this.file.abort();
  }
}
