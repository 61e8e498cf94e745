/** What the command line calls otherwise: options and commands in messages of the core. */
export const wordTexts = {
  words: {
    goOn: '“Go on” beside the run in the step Train',
    sameCommand: 'doing the same again',
    options: {
      base_model_hf: 'the base model (step Model)',
      train_file: 'the rows to train on (step Data)',
      val_file: 'the held-out rows (step Data)',
      output_dir: 'the place of the run',
      lora_checkpoint_dir: 'the adapter',
      resume_from_checkpoint: 'going on',
    } as Readonly<Record<string, string>>,
  },
};
