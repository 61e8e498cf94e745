/** Comlink ships this module's types under a name that TypeScript does not look for. */
declare module 'comlink/dist/esm/node-adapter.mjs' {
  export { default } from 'comlink/dist/esm/node-adapter';
}
