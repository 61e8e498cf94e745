/** What never leaves: secrets that were read, in whatever form a server echoes them, and what looks like one. */
import fc from 'fast-check';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { send } from '../../src/hub/request.ts';
import { hubSettings, hubSettingsFromEnv } from '../../src/hub/settings.ts';
import { whoAmI } from '../../src/hub/upload.ts';
import { plainHttpWarning } from '../../src/track/plainHttp.ts';
import { keepSecret, keepSecretsOf, redact, redactConfig, withoutKnownSecrets } from '../../src/track/secrets.ts';
import { WandbClient } from '../../src/track/wandb/client.ts';
import { wandbSettings } from '../../src/track/wandb/settings.ts';

const HEX = '0123456789abcdef'.repeat(3).slice(0, 40);

describe('what looks like a secret', () => {
  it.each([
    ['token hf_AbCdEfGhIjKlMnOpQrStUv used', 'token *** used'],
    [`key ${HEX}.`, 'key ***.'],
    [`key local-${HEX}.`, 'key ***.'],
    [`WANDB_API_KEY=${HEX} HF_TOKEN=short`, 'WANDB_API_KEY=*** HF_TOKEN=***'],
    ['https://me:pass@hub.example/x', 'https://***@hub.example/x'],
    ['https://only-a-token@hub.example/x', 'https://***@hub.example/x'],
    ['http://me:p@ss@proxy:3128', 'http://***@proxy:3128'],
    ['Authorization: Bearer abc123DEF456 sent', 'Authorization: Bearer *** sent'],
    ['{"authorization":"Basic YXBpOmtleXM="}', '{"authorization":"Basic ***"}'],
    ['https://s3.example/a?X-Amz-Signature=0a1b2c&part=1', 'https://s3.example/a?X-Amz-Signature=***&part=1'],
  ])('%s', (text, expected) => {
    expect(redact(text)).toBe(expected);
  });

  it('leaves the rest alone', () => {
    const text =
      `models/snapshots/${HEX}/config.json  num_tokens 12  loss_reduction token  /root/hf_models  basic understanding of bearer cells  local-folder\n` +
      `sha256 ${'ab'.repeat(32)}  me@hospital.example  12 tokens=3  https://hub.example/a?page=2&revision=main  see x@y`;
    expect(redact(text)).toBe(text);
  });

  it('knows fields by name', () => {
    expect(redactConfig({ hf_token: 'x', apiKey: 1, WANDB_API_KEY: 'abc', loss_reduction: 'token', revision: HEX, list: ['hf_AbCdEfGhIjKlMnOpQrStUv'], inner: { password: 'p' } })).toEqual({
      hf_token: '***', apiKey: 1, WANDB_API_KEY: '***', loss_reduction: 'token', revision: HEX, list: ['***'], inner: { password: '***' },
    });
  });
});

/** Long enough, and with characters that encodings change. */
const secrets = fc.string({ unit: fc.constantFrom(...'abcXYZ0189_-+/=&%"\'<>~.'), minLength: 12, maxLength: 50 }).map((text) => `q${text}z`);

describe('a secret that was read', () => {
  it('is found in every form', () => {
    fc.assert(
      fc.property(secrets, fc.string({ maxLength: 9 }), fc.string({ maxLength: 9 }), (secret, before, after) => {
        keepSecret(secret);
        const base64 = Buffer.from(before + secret + after).toString('base64');
        const forms = [
          secret, encodeURIComponent(secret), encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase()), new URLSearchParams({ [before]: secret }).toString(), JSON.stringify({ [before]: secret }), base64,
          Buffer.from(before + secret + after).toString('base64url'), encodeURIComponent(base64), `api:${secret}`,
        ];
        for (const form of forms) {
          const shown = withoutKnownSecrets(`${before} ${form} ${after}`);
          expect(shown).toContain('***');
          expect(shown).not.toContain(secret);
          expect(shown).not.toContain(encodeURIComponent(secret));
          // What is left of the base64 does not tell the secret.
          const left = shown.match(/[A-Za-z0-9+/_-]{8,}/g) ?? [];
          for (const piece of left) expect(Buffer.from(piece, 'base64').toString('latin1')).not.toContain(secret);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('comes from variables: keys, proxies with a password, and what is a secret by its name', () => {
    keepSecretsOf({
      HF_TOKEN: 'tok-en.of.a.mirror', https_proxy: 'http://doctor:s3cr%2Ft!@proxy:3128', WANDB_API_KEY: 'plain-words-as-key', MY_SECRET: 'twenty-letters-of-it',
      OTHER_TOKEN: 'yes', PATH_TOKENS: 'nothing-secret-here-at-all',
    });
    const text = 'tok-en.of.a.mirror s3cr%2Ft! s3cr/t! plain-words-as-key twenty-letters-of-it yes nothing-secret-here-at-all';
    expect(redact(text)).toBe('*** *** *** *** *** yes nothing-secret-here-at-all');
  });

  it('costs little in a page full of pictures', () => {
    keepSecret('some-secret-of-a-page');
    const page = Buffer.alloc(6_000_000, 'picture bytes').toString('base64');
    // Of this process: on a busy machine it may wait for its turn.
    const from = process.cpuUsage();
    expect(withoutKnownSecrets(page)).toBe(page);
    expect(redact(page)).toBe(page);
    const { user, system } = process.cpuUsage(from);
    expect((user + system) / 1e6).toBeLessThan(10);
  });
});

/** Sends back all it was sent, in the body and in headers. */
async function echo(answer: { status: number; location?: string }, work: (address: string, seen: string[]) => Promise<void>): Promise<void> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    const { authorization = '' } = request.headers;
    seen.push(`${request.method} ${request.url} ${authorization}`);
    const decoded = Buffer.from(authorization.replace(/^\w+ /, ''), 'base64').toString('latin1').replace(/[^ -~]/g, '');
    const told = `who is ${authorization} (${decoded}, ${encodeURIComponent(authorization)})`;
    response.writeHead(answer.status, { 'x-error-message': told, ...(answer.location !== undefined && { location: answer.location }) });
    response.end(`${'x'.repeat(280)}${told}`);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const messageOf = (work: Promise<unknown>): Promise<string> => work.then(() => 'no error', (error: unknown) => (error as Error).stack ?? '');

describe('servers that echo', () => {
  const token = 'a-token.of-a_mirror42';
  const base64 = Buffer.from(`api:${token}`).toString('base64');

  it.each([400, 401, 403, 404, 422])('a hub that answers %i with the token in it', (status) =>
    echo({ status }, async (endpoint, seen) => {
      const settings = hubSettings({ endpoint, token, times: { attempts: 1, backoffMs: 1 } });
      const message = await messageOf(whoAmI(settings));
      expect(seen[0]).toContain(token);
      expect(message).toMatch(/^UserError: Cannot log in/);
      expect(message).not.toContain(token);
    }),
  );

  it.each([400, 401, 404, 422, 500])('a W&B server that answers %i with the key in it, cut off in the middle', (status) =>
    echo({ status }, async (address, seen) => {
      const message = await messageOf(new WandbClient(address, token).graphql('query', {}));
      expect(seen[0]).toContain(base64);
      for (const piece of [token, token.slice(0, 10), base64, base64.slice(4, 16)]) expect(message).not.toContain(piece);
    }),
  );
});

describe('redirects of W&B', () => {
  it.each([301, 302, 303, 307, 308])('%i to another host: neither key nor figures follow', (status) =>
    echo({ status: 200 }, (elsewhere, seenElsewhere) =>
      echo({ status, location: `${elsewhere}/taken` }, async (address) => {
        const client = new WandbClient(address, 'key-of-the-first-host');
        const posts = [
          client.graphql('query', { secret: 1 }),
          client.fileStream({ entity: 'e', project: 'p', id: 'i' }, {}),
          client.upload(`${address}/storage/x`, [], new Uint8Array(3)),
        ];
        for (const post of posts) expect(await messageOf(post)).toMatch(/^UserError: W&B at .* redirects .* is not followed.*WANDB_BASE_URL/s);
        expect(seenElsewhere).toEqual([]);
      }),
    ),
  );

  it('within one host they are followed, with method and key; a circle ends', () =>
    echo({ status: 307, location: '/graphql' }, async (address, seen) => {
      expect(await messageOf(new WandbClient(address, 'key-of-one-host').graphql('query', {}))).toContain('is not followed');
      expect(seen.length).toBeGreaterThan(2);
      expect(seen.every((line) => line === seen[0] && line.startsWith('POST /graphql Basic '))).toBe(true);
    }),
  );
});

describe('keys over plain http', () => {
  it.each(['http://hub.clinic.example', 'http://10.0.0.7:8080/', 'http://localhost.evil.example', 'http://127.0.0.1.evil.example'])('%s: a warning that names the variable', (address) => {
    expect(plainHttpWarning('HF_ENDPOINT', address, 'the token')).toMatch(/^HF_ENDPOINT is http:.*the token can be read/);
  });

  it.each(['https://hub.clinic.example', 'http://localhost:5000', 'http://127.0.0.1', 'http://[::1]:80', 'http://wandb.localhost'])('%s: none', (address) => {
    expect(plainHttpWarning('HF_ENDPOINT', address, 'the token')).toBeUndefined();
  });

  it('stands in the settings only where there is a key to lose', async () => {
    const of = (env: Record<string, string>): Promise<(string | undefined)[]> => {
      const platform = { ...nodePlatform, env: (name: string): string | undefined => env[name] };
      const options = { wandb_project: null, wandb_entity: null, wandb_run_name: null, wandb_run_id: null, wandb_dir: null, wandb_resume: null, wandb_mode: null, wandb_tags: [] };
      return Promise.all([
        hubSettingsFromEnv(platform).then(({ warning }) => warning),
        wandbSettings(platform, options, 'run', 'out').then(({ warning }) => warning, () => undefined),
      ]);
    };
    const plain = { HF_ENDPOINT: 'http://hub.lan', WANDB_BASE_URL: 'http://wandb.lan' };
    expect(await of(plain)).toEqual([undefined, undefined]);
    expect(await of({ ...plain, HF_TOKEN: 'hf_abcdefgh', WANDB_API_KEY: 'abcdefgh' })).toEqual([
      expect.stringMatching(/^HF_ENDPOINT is http:\/\/hub\.lan, .*the token of HF_TOKEN/), expect.stringMatching(/^WANDB_BASE_URL is http:\/\/wandb\.lan, /),
    ]);
  });
});

it('a hub that redirects an upload takes along neither the token nor what was given for its own host', () =>
  echo({ status: 200 }, (elsewhere, seenElsewhere) =>
    echo({ status: 307, location: `${elsewhere}/taken` }, async (endpoint, seen) => {
      const settings = hubSettings({ endpoint, token: 'token-of-the-hub' });
      const headers = { authorization: 'Basic given-for-lfs', 'X-Kept': 'yes' };
      await send(settings, `${endpoint}/lfs`, { method: 'PUT', headers, body: 'weights', action: 'upload' }, AbortSignal.timeout(10_000));
      expect(seen).toHaveLength(1);
      expect(seen[0]).toMatch(/token-of-the-hub|given-for-lfs/);
      expect(seenElsewhere).toEqual(['PUT /taken ']);
    }),
  ));
