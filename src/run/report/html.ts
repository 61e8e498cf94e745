/** What pages that stand alone are written with. */
import { base64 } from '../../io/base64.ts';

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;');
}

/** A picture within the page. */
export function pngUrl(png: Uint8Array): string {
  return `data:image/png;base64,${base64(png)}`;
}

/** Names and values at the top of a page. */
export function factList(facts: readonly (readonly [string, string])[]): string {
  const shown = facts.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`);
  return `<dl class="facts">${shown.join('')}</dl>`;
}
