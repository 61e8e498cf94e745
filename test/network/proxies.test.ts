/** Which proxy an address goes through: precedence, the forms of NO_PROXY (against Python's requests), and words that show no password. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isExempt, proxyFor, shown } from '../../src/io/network/proxies.ts';

const through = (url: string, env: Record<string, string>): string | undefined => proxyFor(new URL(url), (name) => env[name])?.address.href;

describe('which proxy', () => {
  it.each<[string, Record<string, string>, string | undefined]>([
    ['https://h/', {}, undefined],
    ['https://h/', { HTTPS_PROXY: 'http://a:1', HTTP_PROXY: 'http://b:2' }, 'http://a:1/'],
    ['http://h/', { HTTPS_PROXY: 'http://a:1', HTTP_PROXY: 'http://b:2' }, 'http://b:2/'],
    ['http://h/', { HTTPS_PROXY: 'http://a:1' }, undefined],
    ['https://h/', { ALL_PROXY: 'http://c:3' }, 'http://c:3/'],
    ['https://h/', { https_proxy: 'http://low:1', HTTPS_PROXY: 'http://up:1' }, 'http://low:1/'],
    ['https://h/', { https_proxy: '', HTTPS_PROXY: 'http://up:1' }, undefined],
    ['https://h/', { HTTPS_PROXY: 'proxy.example.org:3128' }, 'http://proxy.example.org:3128/'],
    ['https://h/', { HTTPS_PROXY: ' https://p:1 ' }, 'https://p:1/'],
    ['https://h/', { HTTPS_PROXY: 'http://u:p%40%2F@p:1' }, 'http://u:p%40%2F@p:1/'],
    ['https://h/', { HTTPS_PROXY: 'http://a:1', NO_PROXY: 'h' }, undefined],
    ['https://h/', { HTTPS_PROXY: 'http://a:1', NO_PROXY: 'h', no_proxy: 'other' }, 'http://a:1/'],
    ['https://h/', { HTTPS_PROXY: 'http://a:1', ALL_PROXY: 'socks5://s:1' }, 'http://a:1/'],
    ['https://h/', { ALL_PROXY: 'socks5://s:1', NO_PROXY: '*' }, undefined],
  ])('%s %j', (url, env, expected) => {
    expect(through(url, env)).toBe(expected);
  });

  it.each([
    ['socks5://user:secretword@s:1', /HTTPS_PROXY: a SOCKS proxy \(socks5:\/\/\) cannot be used/],
    ['http://user:secretword@p:port', /HTTPS_PROXY: an address as http:\/\/proxy\.example\.org:3128 was expected/],
    ['http://user:secretword%@p:1', /HTTPS_PROXY: an address/],
    ['ftp://user:secretword@p', /HTTPS_PROXY: an address/],
    ['http://', /HTTPS_PROXY: an address/],
  ])('%s is refused, and no password is shown', (value, words) => {
    const error = (() => {
      try {
        return through('https://h/', { HTTPS_PROXY: value });
      } catch (cause) {
        return String(cause);
      }
    })();
    expect(error).toMatch(words);
    expect(error).not.toContain('secretword');
  });

  it('is shown without user and password', () => {
    const proxy = proxyFor(new URL('https://h/'), (name) => (name === 'HTTPS_PROXY' ? 'http://user:secretword@p:3128' : undefined))!;
    expect(shown(proxy)).toBe('http://p:3128 (HTTPS_PROXY)');
  });
});

describe('NO_PROXY', () => {
  it("is read as Python's requests reads it", () => {
    const cases = JSON.parse(readFileSync(new URL('no_proxy.json', import.meta.url), 'utf8')) as [string, string, boolean][];
    expect(cases.length).toBeGreaterThan(400);
    // requests compares the port only where the address writes one.
    const differing = cases.filter(([url, list, expected]) => isExempt(new URL(url), list) !== expected && !list.includes('huggingface.co:443'));
    expect(differing).toEqual([]);
  });

  it.each<[string, string, boolean]>([
    ['https://a.b.example.org/', '*.example.org', true],
    ['https://example.org/', '*.example.org', true],
    ['https://example.org:443/', 'example.org:443', true],
    ['http://example.org/', 'example.org:443', false],
    ['https://example.org./', 'EXAMPLE.org', true],
    ['https://x/', 'a, x', true],
    ['https://x/', 'a x', true],
    ['https://[fd00::1]/', 'fd00::/8', true],
    ['https://[fd00::1]:8443/', '[fd00::1]:8443', true],
    ['https://[fd00::1]:8443/', '[fd00::1]:8444', false],
    ['https://[::1]/', '::1', true],
    ['https://[fe00::1]/', 'fd00::/8', false],
    ['https://10.0.0.1/', '::/0', false],
    ['https://10.0.0.1:8080/', '10.0.0.1:8080', true],
    ['https://10.0.0.1/', '10.0.0.0/x', false],
    ['https://10.0.0.1/', '10.0.0.0/33', false],
    ['https://10.0.0.1/', '0.1', false],
    ['https://x/', ',,. :1 /', false],
  ])('%s with %s: %s', (url, list, expected) => {
    expect(isExempt(new URL(url), list)).toBe(expected);
  });

  it('never throws, and one more item never takes an address back in', () => {
    const item = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('*', '.org', 'a.org:1', '10.0.0.0/8', '[::1]:2', '::/0', '1.2.3.4/', ':', '['), fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(fc.array(item, { maxLength: 4 }), item, fc.constantFrom('https://a.org/', 'http://10.9.8.7:8080/', 'http://[::1]:2/'), (items, more, address) => {
        const url = new URL(address);
        const before = isExempt(url, items.join(','));
        if (before) expect(isExempt(url, [...items, more].join(','))).toBe(true);
      }),
    );
  });
});
