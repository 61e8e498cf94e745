/**
 * Where apt packages come from, as the machine itself says. The entry for backports is derived from the one that already serves the
 * release, so a machine that uses a mirror, a proxy path or its own key goes on using it, and no host name stands in this program.
 */

/**
 * @typedef {{types: string[], suites: string[], enabled: boolean, lines: string[]}} Entry `lines`: the deb822 fields, without Types and
 * Suites.
 * @typedef {{path: string, text: string}} SourceFile
 */

/** A deb822 file (*.sources): paragraphs of `Field: value`, comments anywhere, values continued on indented lines. @returns {Entry[]} */
function parseDeb822(text) {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .split(/\n[ \t]*\n/)
    .map((paragraph) => paragraph.split('\n').filter((line) => line.trim() !== ''))
    .filter((lines) => lines.length > 0)
    .map((lines) => {
      const fields = [];
      for (const line of lines) {
        if (/^\s/.test(line) && fields.length > 0) fields[fields.length - 1] += `\n${line}`;
        else fields.push(line);
      }
      const words = (name) =>
        (fields.find((field) => field.toLowerCase().startsWith(`${name}:`)) ?? '')
          .slice(name.length + 1)
          .split(/\s+/)
          .filter((word) => word !== '');
      return {
        types: words('types'),
        suites: words('suites'),
        enabled: !/^(no|false|off|without|disable)$/i.test(words('enabled')[0] ?? 'yes'),
        lines: fields.filter((field) => !/^(types|suites|enabled):/i.test(field)),
      };
    });
}

const OPTION_FIELDS = { 'signed-by': 'Signed-By', arch: 'Architectures', trusted: 'Trusted', 'check-valid-until': 'Check-Valid-Until' };

/** The one-line form (sources.list, *.list): `deb [option=value …] uri suite component…`. @returns {Entry[]} */
function parseOneLine(text) {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*(deb|deb-src)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line);
    if (!match) return [];
    const [, type, options = '', uri, suite, components] = match;
    const fields = options.split(/\s+/).flatMap((option) => {
      const [key, value] = option.split('=');
      return value && OPTION_FIELDS[key.toLowerCase()] ? [`${OPTION_FIELDS[key.toLowerCase()]}: ${value.replaceAll(',', ' ')}`] : [];
    });
    return [{ types: [type], suites: [suite], enabled: true, lines: [`URIs: ${uri}`, `Components: ${components.trim()}`, ...fields] }];
  });
}

/** @param {SourceFile[]} files */
function usableEntries(files) {
  const entries = files.flatMap(({ path, text }) =>
    (path.endsWith('.sources') ? parseDeb822(text) : parseOneLine(text)).map((entry) => ({ path, ...entry })),
  );
  return entries.filter((entry) => entry.enabled && entry.types.includes('deb'));
}

/**
 * Where this machine takes the packages of `release` from. @param {SourceFile[]} files @param {string} release @returns {string |
 * undefined}
 */
export function archiveUri(files, release) {
  const lines = usableEntries(files).find((entry) => entry.suites.includes(release))?.lines ?? [];
  return /^URIs:\s*(\S+)/im.exec(lines.join('\n'))?.[1];
}

/**
 * @param {SourceFile[]} files every source file of apt but our own @param {string} release e.g. bookworm
 * @returns {{kind: 'present', path: string} | {kind: 'derived', path: string, text: string} | {kind: 'none'}} `present`: some file already
 * offers backports; `derived`: the text of a file that would, and the file that it was derived from.
 */
export function backportsSource(files, release) {
  const usable = usableEntries(files);
  const present = usable.find((entry) => entry.suites.includes(`${release}-backports`));
  if (present) return { kind: 'present', path: present.path };
  const base = usable.find((entry) => entry.suites.includes(release));
  if (!base) return { kind: 'none' };
  return { kind: 'derived', path: base.path, text: ['Types: deb', `Suites: ${release}-backports`, ...base.lines, ''].join('\n') };
}
