/** `--offline true`: nothing of this process connects to anything. */
import process from 'node:process';
import { closeNetwork, refusedOffline } from './network/network.ts';

/** As HF_HUB_OFFLINE=1 and WANDB_MODE=offline, which say in words what is missed; and whatever else would connect is refused. */
export function goOffline(): void {
  process.env['HF_HUB_OFFLINE'] = '1';
  if (process.env['WANDB_MODE']?.toLowerCase() !== 'disabled') process.env['WANDB_MODE'] = 'offline';
  closeNetwork();
  globalThis.fetch = (input) => {
    const address = input instanceof Request ? input.url : String(input);
    const host = URL.canParse(address) ? new URL(address).host : 'a server';
    return Promise.reject(refusedOffline(host));
  };
}
