/** What the core says in the words of the command line, in those of the page: its fields and steps, no places in the browser's storage. */
import { OWN_BASE, OWN_GEMMA, OWN_SMOLVLM } from '../own/places.ts';
import { texts } from '../texts.ts';

/** An option as the command line writes it. */
const FLAG = /(?<![\w-])--([a-z]\w*)/gi;

export function pageWords(text: string): string {
  const { sameCommand, options, goOn } = texts.words;
  return text
    .replaceAll(/the same command(?: again)?,? with --resume_from_checkpoint [^\s;,]+/g, goOn)
    .replaceAll(/--resume_from_checkpoint true(?= goes on)/g, goOn)
    .replaceAll('the same command', sameCommand)
    .replaceAll(FLAG, (_, name: string) => options[name] ?? fieldWords(name))
    .replaceAll(OWN_SMOLVLM, texts.model.tinySmolvlm)
    .replaceAll(OWN_GEMMA, texts.model.tinyGemma)
    .replaceAll(OWN_BASE, texts.model.tinyQwen)
    .replaceAll(/\/studio\/[\w-]+\/(?:runs\/)?/g, '')
    .replaceAll(/\/(?:picked|asked\/[^/]+)\//g, '');
}

/** As the form names it. */
function fieldWords(name: string): string {
  const label = texts.form.label(name);
  return label === name ? name : `“${label}” (${name})`;
}
