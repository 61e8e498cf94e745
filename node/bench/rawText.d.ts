/** A file as text: Vite inlines it. */
declare module '*?raw' {
  const text: string;
  export default text;
}
