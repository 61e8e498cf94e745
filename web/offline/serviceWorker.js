/**
 * Keeps the whole page, so that it works without a network after the first visit. The build (offline/plugin.ts) puts the names of all files
 * and a hash of them in the place of FILES and VERSION. A new version takes over when every tab of the old one is closed.
 */
const FILES = [];
const VERSION = '';
const CACHE = `vernier studio ${VERSION}`;

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES.map((file) => new Request(file, { cache: 'no-cache' })))));
});

self.addEventListener('activate', (event) => {
  const clear = async () => {
    const names = await caches.keys();
    await Promise.all(names.filter((name) => name.startsWith('vernier studio ') && name !== CACHE).map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(clear());
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin || !['GET', 'HEAD'].includes(request.method) || request.headers.has('range')) return;
  event.respondWith(kept(request, url));
});

async function kept(request, url) {
  const cache = await caches.open(CACHE);
  const path = url.pathname.endsWith('/') ? `${url.pathname}index.html` : url.pathname;
  const found = await cache.match(url.origin + path);
  if (found === undefined) return fetch(request);
  return request.method === 'HEAD' ? new Response(null, { status: 200, headers: found.headers }) : found;
}
