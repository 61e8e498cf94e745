/**
 * Texts and options for files that are kept with a run or sent: paths of this machine become names, since folders are called after users,
 * wards and patients.
 */
const ENDING = String.raw`\.(?:png|jpe?g|webp|gif|bmp|tiff?|dcm|nii|gz|jsonl?|parquet|html|txt|ya?ml|safetensors)`;
/** A folder inside a path. It may have spaces, so it ends where a file's name does: the next path in the text is another. */
const FILE_END = String.raw`${ENDING}[\s,;)]`;
const FOLDER = String.raw`(?:(?!${FILE_END})[^\\/\n:"'\x60])+[\\/]`;
/** From the root (of a drive, of the home folder); not what follows a host, and at least two folders deep or in one. */
const ROOT = String.raw`(?<![\w.:/~\\-])(?:~|[A-Za-z]:)?[\\/]`;
const ABSOLUTE = new RegExp(String.raw`${ROOT}(?:[^\s\\/:"'\x60,;()|<>]+[\\/])+`, 'g');
/** The same with spaces in its folders, up to the last before a file: words that stand between the two are taken for folders. */
const INNER = String.raw`(?:(?!${FILE_END}|\s[\\/~])[^\\/\n:"'\x60|<>])`;
const SPACED = new RegExp(String.raw`${ROOT}(?:${INNER}+[\\/])+(?=${INNER}*${ENDING}(?![\w/\\]))`, 'g');

/** A home folder itself, whose last part is the user's name. */
const HOME = /(?<![\w.:/~\\-])(?:[A-Za-z]:)?[\\/](?:home|Users)[\\/][^\s\\/:"'`,;()|<>]+(?=[\s:"'`,;()|<>]|$)/g;

/** @param folders of the user's data, as written; what lies below them is shortened too, spaces and all */
export function withoutFolders(text: string, folders: readonly string[]): string {
  const known = [...new Set(folders.map((folder) => folder.replace(/[\\/]+$/, '')))].filter((folder) => !['', '.', '..'].includes(folder));
  const isFromRoot = (folder: string): boolean => /^(?:~|[A-Za-z]:)?[\\/]/.test(folder);
  // Relative ones last: their names may stand within paths of others.
  const out = withoutKnown(text, known.filter(isFromRoot)).replace(SPACED, '');
  return withoutKnown(
    out,
    known.filter((folder) => !isFromRoot(folder)),
  )
    .replace(HOME, '~')
    .replace(ABSOLUTE, '');
}

function withoutKnown(text: string, folders: readonly string[]): string {
  let out = text;
  for (const folder of [...folders].sort((a, b) => b.length - a.length)) {
    if (!out.includes(folder)) continue;
    const literal = folder.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    out = out.replace(new RegExp(`(?<![\\w/.-])${literal}[\\\\/](?:${FOLDER})*`, 'g'), '');
    out = out.replace(new RegExp(`(?<![\\w/.-])${literal}(?![\\w/-])`, 'g'), '…');
  }
  return out;
}

/** A copy of a value with every text in it shortened. */
export function withoutFoldersIn(value: unknown, folders: readonly string[]): unknown {
  if (typeof value === 'string') return withoutFolders(value, folders);
  if (Array.isArray(value)) return value.map((item) => withoutFoldersIn(item, folders));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutFoldersIn(item, folders)]));
}
