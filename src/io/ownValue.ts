/** A table by a name that data give: `table['constructor']` is what every object inherits, not an entry. */
export function ownValue<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
