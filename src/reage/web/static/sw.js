// Keeps the page itself, so that it opens without the server and says what is missing.
const CACHE = "reage-page";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  if (event.request.method !== "GET" || !(pathname === "/" || pathname.startsWith("/static/"))) return;
  event.respondWith(fresh(event.request));
});

// The server's copy while it answers, so that a new version is seen at once; else the kept one.
async function fresh(request) {
  const cache = await caches.open(CACHE);
  try {
    const answer = await fetch(request);
    if (answer.ok && !answer.redirected) cache.put(request, answer.clone());
    return answer;
  } catch (error) {
    const kept = await cache.match(request);
    if (kept) return kept;
    throw error;
  }
}
