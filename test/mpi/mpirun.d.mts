export const RANKS_ENV: Readonly<Record<string, string>>;
export function ranksEnv(more?: Readonly<Record<string, string>>): NodeJS.ProcessEnv;
