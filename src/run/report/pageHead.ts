/**
 * The head of a page that stands alone: its own style, pictures inside it, and nothing else.
 * The browser enforces it, whatever the data of the page say.
 */
import { PAGE_MARK } from '../../io/foreignFiles.ts';
import { escapeHtml } from './html.ts';

export async function pageHead(title: string, style: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(style)));
  const own = `'sha256-${btoa(String.fromCharCode(...digest))}'`;
  const policy = `default-src 'none'; style-src ${own}; img-src data:; base-uri 'none'; form-action 'none'`;
  return `<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
${PAGE_MARK}
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>`;
}
