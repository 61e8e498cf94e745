/** Emscripten's modules of the Cornerstone project: each call makes a new instance. */
declare module '@cornerstonejs/codec-charls/decodewasmjs' {
  export default function make(options?: object): Promise<unknown>;
}
declare module '@cornerstonejs/codec-openjpeg/decodewasmjs' {
  export default function make(options?: object): Promise<unknown>;
}
declare module '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs' {
  export default function make(options?: object): Promise<unknown>;
}
