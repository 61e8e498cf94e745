/** Backports are derived from the entry that serves the release, in both of apt's file formats, and never invented. */
import { expect, test } from 'vitest';

interface SourceFile {
  path: string;
  text: string;
}
type Derived = { kind: 'present'; path: string } | { kind: 'derived'; path: string; text: string } | { kind: 'none' };
const program = new URL('../../node/scripts/aptSources.mjs', import.meta.url).href;
const { backportsSource } = (await import(/* @vite-ignore */ program)) as { backportsSource: (files: SourceFile[], release: string) => Derived };

const deb822 = (text: string): SourceFile => ({ path: '/etc/apt/sources.list.d/debian.sources', text });
const oneLine = (text: string): SourceFile => ({ path: '/etc/apt/sources.list', text });

test('a deb822 paragraph is copied with its mirror, key and comments aside; security paragraphs are not', () => {
  const file = deb822(`# the main archive
Types: deb deb-src
# a comment inside
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
`);
  expect(backportsSource([file], 'bookworm')).toEqual({
    kind: 'derived',
    path: file.path,
    text: `Types: deb
Suites: bookworm-backports
URIs: http://mirror.example/debian
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
`,
  });
});

test('a one-line entry becomes a paragraph, options and all', () => {
  const file = oneLine(`# deb http://old.example/debian bookworm main
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64,arm64 signed-by=/usr/share/keyrings/a.gpg] http://mirror.example/debian bookworm main contrib # why
deb http://mirror.example/debian bookworm-updates main
`);
  expect(backportsSource([file], 'bookworm')).toEqual({
    kind: 'derived',
    path: file.path,
    text: `Types: deb
Suites: bookworm-backports
URIs: http://mirror.example/debian
Components: main contrib
Architectures: amd64 arm64
Signed-By: /usr/share/keyrings/a.gpg
`,
  });
});

test('backports that are there already are left alone, also in another file', () => {
  const base = oneLine('deb http://mirror.example/debian bookworm main\n');
  const other = { path: '/etc/apt/sources.list.d/backports.list', text: 'deb http://mirror.example/debian bookworm-backports main\n' };
  expect(backportsSource([base, other], 'bookworm')).toEqual({ kind: 'present', path: other.path });
});

test.each([
  ['another release', oneLine('deb http://mirror.example/debian trixie main\n')],
  ['a disabled paragraph', deb822('Enabled: no\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n')],
  ['sources only', deb822('Types: deb-src\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n')],
  ['the security suite only', deb822('Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main\n')],
  ['an empty file', deb822('')],
])('%s gives nothing to derive from', (_, file) => {
  expect(backportsSource([file], 'bookworm')).toEqual({ kind: 'none' });
});
