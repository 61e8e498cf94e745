/** Texts of the quick start on the embedded sample. */
export const sampleTexts = {
  sample: {
    title: 'Try it on the embedded sample',
    help: 'A tiny model learns boxes, distances, angles and sizes on three small MRI volumes that come with Vernier, as by npm start.',
    back: 'All projects',
    recipe: 'Recipe',
    recipes: { 'qwen-tiny': 'Qwen2.5-VL, tiny', 'medgemma-tiny': 'Gemma 3 (MedGemma), tiny', 'smolvlm-tiny': 'SmolVLM, tiny' },
    steps: 'Steps',
    stepsHelp: 'Training steps; the recipe has 240 or 150. On a software GPU each takes seconds: try 10 first.',
    start: 'Start',
    stop: 'Stop',
    stopping: 'Stopping: what is under way is finished and kept.',
    running: 'At work. The first answers and the first step compile the kernels, which takes a while.',
    log: 'What it says',
    losses: 'Training loss',
    results: 'Held-out answers',
    report: 'Report',
    download: 'Download the report',
  },
};
