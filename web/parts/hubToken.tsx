/** The Hugging Face hub, which the page connects to only when the person asks for it; the token stays in memory. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import { Field } from './field.tsx';

const HUB = 'huggingface.co';

/** Where the hub lets large files be sent: its storage in the regions that it has. */
export const UPLOAD_HOSTS: readonly string[] = ['us-east-1', 'eu-west-1'].map(
  (region) => `hf-hub-lfs-${region}.s3-accelerate.amazonaws.com`,
);

export interface Hub {
  token: string;
  setToken: (token: string) => void;
  /** From now on the worker may connect to the hub, with this token, and to other hosts of its. */
  allow: (others?: readonly string[]) => Promise<void>;
}

export function useHub(studio: Studio): Hub {
  const [token, setToken] = useState('');
  const allow = async (others: readonly string[] = []): Promise<void> => {
    await studio.allowHosts([HUB, ...others]);
    if (token.trim() !== '') await studio.setVariables({ HF_TOKEN: token.trim() });
  };
  return { token, setToken, allow };
}

export function HubToken({ hub: { token, setToken } }: { hub: Hub }): JSX.Element {
  return (
    <Field label={texts.hub.token} help={texts.hub.tokenHelp}>
      {(ids) => (
        <input {...ids} type="password" autocomplete="off" value={token} onInput={(event) => setToken(event.currentTarget.value)} />
      )}
    </Field>
  );
}
