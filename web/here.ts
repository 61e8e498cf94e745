/** The platform of this thread of the browser. */
import { browserPlatform } from './platform.ts';

/**
 * Files under paths of one's own choosing, which are read as if they lay there: Files that were picked, or the URLs of a server's. What is
 * written goes into the private file system of the page's origin.
 */
export const mounts = new Map<string, Blob | string>();

/** What environment variables say elsewhere: HF_TOKEN, HF_ENDPOINT, WANDB_API_KEY, … They are kept in memory only. */
export const variables = new Map<string, string>();

export const platform = browserPlatform(mounts, variables);
