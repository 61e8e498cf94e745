/** Where what comes with the page is mounted. */
export const OWN_BASE = '/own/base';
export const OWN_GEMMA = '/own/base-medgemma';
export const OWN_SMOLVLM = '/own/base-smolvlm';
