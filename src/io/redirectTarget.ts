/** Where a server sends its caller: undefined where that is no address of the web, as file: or a text that is none at all. */
export function redirectTarget(location: string, from: URL): URL | undefined {
  if (!URL.canParse(location, from)) return undefined;
  const to = new URL(location, from);
  return to.protocol === 'http:' || to.protocol === 'https:' ? to : undefined;
}
