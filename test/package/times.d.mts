export function startTimes(folder: string, runs: number): { import: number; node: number; help: number };
