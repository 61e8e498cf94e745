// Asks a model about a picture, and shows the answer as it is written. Run where the package is installed:
// deno run -A --unstable-webgpu deno.ts PICTURE QUESTION [MODEL FOLDER] [ADAPTER FOLDER]
import { fileURLToPath } from 'node:url';
import { loadModel } from 'vernier/node';

const own = fileURLToPath(new URL('node/base', import.meta.resolve('vernier/package.json')));
const [picture = '', question = '', base = own, adapter] = Deno.args;

await using model = await loadModel({ base, adapter });
const answer = model.ask(picture === '' ? [] : picture, question, { max_new_tokens: 32 });
for await (const piece of answer) await Deno.stdout.write(new TextEncoder().encode(piece));
const { numbers = [], seconds } = await answer;
console.log(`\n${numbers.length} numbers, ${seconds.toFixed(1)} s`);
