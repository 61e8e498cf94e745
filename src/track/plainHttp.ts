/** Keys that would cross a network readable by anyone on the way. */

/** Undefined where nobody can listen: https, or a server of this machine. @param variable that named the address, for the message */
export function plainHttpWarning(variable: string, address: string, secret: string): string | undefined {
  const { protocol, hostname, host } = new URL(address);
  const isOwn = hostname === 'localhost' || hostname.endsWith('.localhost') || /^127(\.\d+){3}$/.test(hostname) || hostname === '[::1]';
  if (protocol !== 'http:' || isOwn) return undefined;
  return `${variable} is http://${host}, without encryption: ${secret} can be read on the way there. Use https, or a tunnel to localhost.`;
}
