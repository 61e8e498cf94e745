/** ended: the person ended it without waiting for it to save. */
export type RunState = 'starting' | 'running' | 'pausing' | 'paused' | 'finished' | 'failed' | 'ended';
