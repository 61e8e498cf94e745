/** Texts of the step Model: bases, downloads, the memory of a run. */
import { countOf } from '../../src/platform.ts';

export const modelTexts = {
  model: {
    base: 'Base model',
    current: (name: string) => `Chosen: ${name}`,
    tinyQwen: 'Qwen2.5-VL, tiny (comes with Vernier)',
    tinyGemma: 'Gemma 3 as MedGemma is built, tiny (comes with Vernier)',
    tinySmolvlm: 'SmolVLM, tiny (comes with Vernier)',
    tinyHelp: 'Small enough to try everything on any machine. They know nothing of medicine.',
    choose: 'Take',
    chooseOf: (name: string) => `Take ${name}`,
    chosen: 'chosen',
    inBrowser: 'Models in this browser',
    inBrowserHelp: 'All projects of this page share them.',
    noneInBrowser: 'None has been downloaded yet.',
    unfinished: 'not all of it has come; downloading it again goes on',
    remove: 'Delete',
    removeOf: (name: string) => `Delete ${name}`,
    removeSure: (name: string, size: string) =>
      `Delete ${name} (${size}) from this browser? Projects that use it have to download it again.`,
    cancel: 'Cancel',
    folder: 'A folder of this machine',
    folderHelp:
      'A Hugging Face model folder: config.json, *.safetensors, tokenizer.json. It is read where it lies; after a reload it has to be ' +
      'picked again.',
    notAModel: (name: string) => `${name} holds no config.json; the folder of a Hugging Face model was expected. Pick another.`,
    pickAgain: (name: string) => `${name} was picked before the page was loaded anew; pick the folder again.`,
    hub: 'From the Hugging Face hub',
    hubHelp:
      'The page connects to huggingface.co when you press the button, and not before. It sends the name and the token, nothing of your ' +
      'scans.',
    gatedHelp:
      'Gated models, as MedGemma: accept their terms on the model’s page at huggingface.co with your account first, then make an access ' +
      'token there that may read them.',
    firstHelp: 'A first real model: about 500 MB, without an account, and small enough to be trained in a browser.',
    first: (id: string) => `Put in ${id}`,
    id: 'Name',
    idHelp: 'ORG/NAME or ORG/NAME@REVISION, as HuggingFaceTB/SmolVLM-256M-Instruct or google/medgemma-4b-it.',
    download: 'Download',
    stop: 'Stop',
    stopped: 'Stopped. What has come is kept, and downloading it again goes on with it.',
    looking: 'Asking the hub …',
    progress: (done: string, total: string) => `${done} of ${total}`,
    noHubId: (text: string) => `“${text}” is no name of the hub; ORG/NAME or ORG/NAME@REVISION was expected.`,
    noRoom: (needed: string, free: string) =>
      `The download needs ${needed} and this browser has ${free} left for the page. Delete models, runs or projects first.`,
    memory: 'Memory of a run',
    memoryHelp: 'Planned from the model, the options of the step Train and the rows that are there, before anything is loaded.',
    plan: 'Plan it',
    planning: 'Planning …',
    ofRows: (rows: number) => (rows === 1 ? 'the longest row at a time' : `the ${countOf(rows, 'longest row')} at a time`),
    assumption: (what: string) => `For ${what}.`,
    label: 'What it is for',
    atPeak: 'At the peak',
    atMost: 'At most',
    together: 'together',
    needed: (needed: string) => `The run takes ${needed} of GPU memory.`,
    tooMuch: (limit: string) =>
      `That is more than the ${limit} that there are. Fewer rows at a time, smaller pictures or quantization nf4 take less.`,
    unknownLimit: 'Browsers do not tell how much memory a GPU has: hold it against what yours has.',
    saving: (bytes: string) => `While a checkpoint is written, ${bytes} more are held in the machine’s memory.`,
  },
};
