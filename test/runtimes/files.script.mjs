/** From the sources, which Deno and Bun run as they are: padded gzip files to their text, pictures to their digests. */
import { createHash } from 'node:crypto';
import { unzipSync } from 'fflate';

export default async ({ args: { gzipFiles, archive } }) => {
  const { nodePlatform } = await import('../../node/platform.ts');
  const { fileChunks } = await import('../../src/data/gzip.ts');
  const texts = [];
  for (const path of gzipFiles) {
    const decoder = new TextDecoder();
    let text = '';
    try {
      for await (const bytes of fileChunks(nodePlatform, path)) text += decoder.decode(bytes, { stream: true });
    } catch (error) {
      text = `${error.name}: ${error.message}`;
    }
    texts.push(text);
  }
  const files = unzipSync(await nodePlatform.readFile(archive));
  const different = [];
  for (const [name, expected] of Object.entries(JSON.parse(new TextDecoder().decode(files['index.json'])))) {
    if (expected.error !== undefined) continue;
    const image = await nodePlatform.decodeImage(files[name], name).catch((error) => error);
    if (image instanceof Error ? image.name !== 'UserError' : createHash('sha256').update(image.data).digest('hex') !== expected.sha256) different.push(`${name} ${image}`);
  }
  return { texts, different };
};
