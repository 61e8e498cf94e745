/** Types of entries.mjs for vite.config.ts. */
export const ENTRIES: Readonly<Record<string, string>>;
