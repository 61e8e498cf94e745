export const RANKS_ENV: Readonly<Record<string, string>>;
export const MPIRUN: Readonly<Record<'openmpi' | 'mpich', readonly [string, ...string[]]>>;
export function ranksEnv(more?: Readonly<Record<string, string>>): NodeJS.ProcessEnv;
