/** Texts of the form of options. */

const labels: Readonly<Record<string, string>> = {
  epoch: 'Passes over the rows',
  max_steps: 'Steps, in place of passes (−1: as many as the passes take)',
  learning_rate: 'Learning rate',
  lora_r: 'Rank of the adapter',
  lora_alpha: 'Scale of the adapter',
  per_device_train_batch_size: 'Rows at a time',
  gradient_accumulation_steps: 'Times before a step',
  max_pixels: 'Largest picture, in pixels',
  seed: 'Seed',
  save_steps: 'Steps between checkpoints',
  logging_steps: 'Steps between figures',
  eval_steps: 'Steps between evaluations',
};

export const formTexts = {
  form: {
    basic: 'The most important options',
    all: 'All options',
    changed: (count: number) =>
      count === 0
        ? 'every option has its default'
        : `${count} other than by default on the command line; the Studio begins with what suits few rows`,
    search: 'Search options',
    searchHelp: 'By name or by a word of the help.',
    nothingFound: (word: string) => `No option has “${word}” in its name or help.`,
    unset: '(unset)',
    yes: 'true',
    no: 'false',
    reset: (name: string) => `Default of ${name}`,
    resetShort: 'Default',
    label: (name: string) => labels[name] ?? name,
    notHere: 'Options that are not in this form, and why',
    recipe: 'Recipe',
    recipeHelp: 'The same options as a file that `vernier train --config` takes.',
    save: 'Save as a file',
    open: 'Open a recipe',
    show: 'Show it',
    opened: (name: string) => `The options are now those of ${name}.`,
    leftOut: (name: string, reason: string) => `${name} was left out: ${reason}`,
    reasons: {
      recipe: 'recipes are opened and saved below the form.',
      model: 'the base is chosen in the step Model.',
      data: 'the rows come from the step Data, which checks them.',
      ranks: 'ranks are started by MPI, outside of a browser.',
      threads: 'in a page the worker reads the rows itself.',
      run: 'the page names, keeps and resumes runs.',
      offload: 'models on the GPU of a browser have no files that they could be streamed from fast enough.',
      trackers: 'figures stay in the page, and nothing is sent to trackers.',
      use: 'merging and pushing are in the step Use.',
      taskLists: 'it is for MedVision task lists, which the step Data makes rows of.',
      noEffect: 'it has no effect.',
    },
  },
};
