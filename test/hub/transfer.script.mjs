/**
 * A download through faults and a push, in whichever runtime: with a Platform in memory everywhere (as little as a browser gives), and with the Node
 * platform too where the runtime loads its source (Deno and Bun).
 */
function memoryPlatform() {
  const files = new Map();
  const inside = (folder) => [...files.keys()].filter((path) => path.startsWith(`${folder}/`));
  const read = (path) => {
    const bytes = files.get(path);
    if (bytes === undefined) throw new Error(`no file ${path}`);
    return bytes;
  };
  const bytesOf = (data) => (typeof data === 'string' ? new TextEncoder().encode(data) : data.slice());
  return {
    files,
    name: 'browser',
    env: () => undefined,
    exists: async (path) => files.has(path) || inside(path).length > 0,
    isDirectory: async (path) => !files.has(path) && inside(path).length > 0,
    listDir: async (path) => [...new Set(inside(path).map((file) => file.slice(path.length + 1).split('/')[0]))].sort(),
    readFile: async (path) => read(path),
    openFile: async (path) => {
      const bytes = read(path);
      return { path, size: bytes.length, read: async (offset, length) => bytes.slice(offset, offset + length), close: async () => undefined };
    },
    makeDir: async () => undefined,
    writeFile: async (path, data) => void files.set(path, bytesOf(data)),
    createFile: async (path) => {
      const parts = [];
      return {
        write: async (bytes) => void parts.push(bytes.slice()),
        commit: async () => void files.set(path, new Uint8Array(await new Blob(parts).arrayBuffer())),
        abort: async () => undefined,
      };
    },
    rename: async (from, to) => {
      files.set(to, read(from));
      files.delete(from);
    },
    remove: async (path) => {
      for (const file of [path, ...inside(path)]) files.delete(file);
    },
  };
}

const hex = async (bytes) => [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

export default async function main(host) {
  const { hubSettings, fetchModel, uploadFiles } = await host.library();
  const { endpoint, token, cacheDir } = host.args;
  const round = async (platform, dir, id) => {
    const settings = hubSettings({ endpoint, token, cacheDir: dir, times: { stallMs: 3000, backoffMs: 10, maxWaitMs: 3000, attempts: 5 } });
    const fetched = await fetchModel(platform, settings, { id: 'org/model' });
    const weights = await platform.readFile(`${fetched.dir}/model.safetensors`);
    const files = [
      { path: 'model.safetensors', content: { file: `${fetched.dir}/model.safetensors` } },
      { path: 'README.md', content: '# ä' },
    ];
    const first = await uploadFiles(platform, settings, { type: 'model', id }, files, { message: host.args.name });
    const again = await uploadFiles(platform, settings, { type: 'model', id }, files, { message: host.args.name });
    return { sha256: await hex(weights), isChanged: [first.isChanged, again.isChanged] };
  };
  const results = { memory: await round(memoryPlatform(), '/cache', `tester/${host.args.name}-memory`) };
  if (host.runtime === 'deno' || host.runtime === 'bun') {
    const { nodePlatform } = await import('../../node/platform.ts');
    results.native = await round(nodePlatform, cacheDir, `tester/${host.args.name}-native`);
  }
  return results;
}
