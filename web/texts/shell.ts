/** Texts of the shell: projects, steps, storage, notices. */
import { countOf } from '../../src/platform.ts';

export const shellTexts = {
  studio: {
    title: 'Vernier Studio',
    lead: 'Fine-tune a vision-language model to measure your own scans, on the GPU of this machine. Pictures never leave it.',
    inOtherTab: (name: string) => `The project “${name}” is open in another tab of this browser. Use it there, or close that tab first.`,
    gone: (name: string) => `The project “${name}” is not there any more: it was deleted in another tab.`,
    notHere: 'The project that the address names is not in this browser. These are the ones that are.',
    arriving: 'Opening …',
    projects: 'Projects',
    noProjects: 'There are none in this browser yet.',
    newProject: 'New project',
    nameOfProject: 'Name',
    open: 'Open',
    remove: 'Delete',
    removeSure: (name: string) => `Delete “${name}” with its scans, drawings and runs? This cannot be undone.`,
    cancel: 'Cancel',
    close: 'All projects',
    summary: (scans: number, drawings: number, runs: number) =>
      `${countOf(scans, 'scan')}, ${countOf(drawings, 'drawing')}, ${countOf(runs, 'run')}`,
  },
  steps: {
    label: 'Steps',
    data: 'Data',
    model: 'Model',
    train: 'Train',
    judge: 'Judge',
    use: 'Use',
  },
  gpu: {
    looking: 'Looking for a GPU …',
    none: 'No GPU',
    software: 'slow',
  },
  storage: {
    label: 'Storage',
    used: (used: string, quota: string) => `${used} of ${quota} used`,
    kept: 'kept until you delete it',
    notKept: 'the browser may clear it when space runs out',
    keep: 'Ask the browser to keep it',
    refused: 'The browser did not grant it. Installing this page, or a bookmark, usually makes it do so.',
    nearlyFull: (left: string) =>
      `Only ${left} of this browser's storage for the page are left. Delete projects, runs or models that you do not need.`,
  },
  notices: { label: 'Messages', dismiss: 'Dismiss', error: 'Error', warning: 'Warning', info: 'Note' },
  offline: {
    newer: 'There is a newer version of this page. It is shown once all tabs of this one are closed.',
    ready: 'From now on this page works without a network.',
    failed: (why: string) => `The browser did not keep this page for use without a network: ${why}`,
  },
};
