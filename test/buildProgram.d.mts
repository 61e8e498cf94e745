/** buildProgram.mjs, for tests in TypeScript. @returns the program, to be run by Node */
export function buildProgram(source: URL, outDir: string): Promise<string>;
