/**
 * The folder whose runs are shown, and the only one that is read. Paths come from its own listing, never from a request; a link on the way
 * that leads outside is as good as not there.
 */
import { joinPath, UserError } from '../../platform.ts';
import type { FileAbilities, Platform, RangedFile } from '../../platform.ts';
import { notFound } from './refusal.ts';

/** What the server needs of a platform. */
export type UiPlatform = Platform & Pick<FileAbilities, 'links' | 'look' | 'blob'>;

/** @throws UserError where the runtime has no such files */
export function uiPlatform(platform: Platform): UiPlatform {
  const { links, look, blob } = platform;
  if (!links || !look || !blob) throw new UserError('Runs are shown where there are files: in Node, Deno and Bun.');
  return { ...platform, links, look, blob };
}

export class OutputsFolder {
  readonly platform: UiPlatform;
  /** As the option names it. */
  readonly path: string;
  /** All links followed. */
  private readonly real: string;

  private constructor(platform: UiPlatform, path: string, real: string) {
    [this.platform, this.path, this.real] = [platform, path, real];
  }

  /** Made where it is not there. @throws UserError where it cannot be */
  static async open(platform: UiPlatform, path: string): Promise<OutputsFolder> {
    if ((await platform.exists(path)) && !(await platform.isDirectory(path)))
      throw new UserError(`--outputs ${path} is a file; the folder that holds the output folders of runs is expected.`);
    await platform.makeDir(path);
    return new OutputsFolder(platform, path, withSlashes(await platform.links.realPath(path)));
  }

  /**
   * Where a path below leads, if that is inside.
   * @param below from this folder; '' is the folder itself
   */
  async inside(...below: string[]): Promise<string | undefined> {
    const real = await this.platform.links.realPath(joinPath(this.path, ...below)).catch(() => undefined);
    if (real === undefined) return undefined;
    const path = withSlashes(real);
    return path === this.real || path.startsWith(`${this.real.replace(/\/$/, '')}/`) ? path : undefined;
  }

  /** A file of a run, opened. @throws Refusal where there is none inside */
  async open(...below: string[]): Promise<RangedFile> {
    const path = await this.inside(...below);
    if (path === undefined || (await this.platform.look(path))?.kind !== 'file') throw notFound();
    return this.platform.openFile(path);
  }

  /** The text of a file inside; its last `most` bytes where it has more. Undefined: there is none. */
  async text(most: number, ...below: string[]): Promise<string | undefined> {
    const path = await this.inside(...below);
    if (path === undefined || (await this.platform.look(path))?.kind !== 'file') return undefined;
    const file = await this.platform.openFile(path);
    try {
      const length = Math.min(file.size, most);
      return new TextDecoder().decode(await file.read(file.size - length, length));
    } finally {
      await file.close();
    }
  }
}

function withSlashes(path: string): string {
  return path.replaceAll('\\', '/');
}
