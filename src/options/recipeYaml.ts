/** Recipes as text. */
import { stringify } from 'yaml';

/** What `vernier train --config` takes: the options that were given. */
export function recipeText(options: Readonly<Record<string, unknown>>): string {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined && value !== null));
  return Object.keys(given).length === 0 ? '# every option has its default\n' : stringify(given, { lineWidth: 0 });
}
