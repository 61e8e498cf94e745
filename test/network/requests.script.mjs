/** For network.test.ts: sends `args.cases`, each {url, env, method?, bytes?}, through the network of node/network, the process's own variables set alike. */
export default async function main(host) {
  const { openNetwork } = await import('../../node/network/network.ts');
  const results = [];
  for (const { url, env, bytes } of host.args.cases) {
    Object.assign(process.env, env);
    try {
      const network = openNetwork(host.runtime, (name) => env[name]);
      const body = bytes === undefined ? {} : { method: 'PUT', body: new Blob([new Uint8Array(bytes)]) };
      const response = await network.fetch(url, { ...body, signal: AbortSignal.timeout(20_000) });
      let length = 0;
      for await (const piece of response.body) length += piece.length;
      results.push({ status: response.status, length });
    } catch (error) {
      results.push({ error: error.name, words: `${error.message}. ${error.fix ?? ''}`, isLasting: error.isLasting });
    }
    for (const name of Object.keys(env)) delete process.env[name];
  }
  return results;
}
