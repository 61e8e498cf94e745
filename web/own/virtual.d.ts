declare module 'virtual:own-files' {
  /** Below `own/`. */
  export const names: readonly string[];
}
