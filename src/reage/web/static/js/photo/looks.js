// Pictures of looks: what was seen before comes from memory, what is likely next is fetched ahead.
import { picture } from "../api.js";
import { isChanged, lookOf, state } from "../state.js";

const KEPT = 160;  // pictures, of some 100 kB
const NEARLY = 90;  // ms after which one that is fetched ahead comes sooner than if asked for anew
const SLOW = 150;  // ms that a picture's bytes may take, before smaller ones are asked for
const kept = new Map();  // by address, the longest unused first
const roughs = new Map();  // the same of pictures that only a drag shows
let ahead = null, coming = null;  // what is fetched ahead: all of it, and the one under way

// A photo in which nobody is changed is shown as it is.
export function pathOf(edits, view, face = 0) {
  const what = isChanged(edits) || edits.paste === "none" ? `edited?${lookOf(edits)}` : "view?";
  return `/photos/${state.photo.id}/${what}&view=${view}${face ? `&face=${face}` : ""}`;
}

function recallFrom(pictures, path) {
  const found = pictures.get(path);
  if (found) { pictures.delete(path); pictures.set(path, found); }
  return found;
}

export const recalled = (path) => recallFrom(kept, path);
export const roughOf = (path) => recallFrom(roughs, path);

function keep(pictures, path, shown) {
  pictures.set(path, shown);
  if (pictures.size <= KEPT) return;
  const [oldest, picture] = pictures.entries().next().value;
  pictures.delete(oldest);
  setTimeout(() => URL.revokeObjectURL(picture.url), 10_000);
}

// A picture by its address. A drag gets a rough one at once, on a slow line a smaller draft: the
// exact one takes its place when the slider rests. What is fetched ahead, or in an `aside`, waits
// aside on the server.
export async function seen(path, { dragging = false, aside = false, signal } = {}) {
  const found = recalled(path) ?? (dragging ? roughOf(path) ?? (await arriving(path)) : null);
  if (found) return found;
  const isDraft = dragging && state.slow && !aside;
  const ways = [...(dragging ? [isDraft ? "draft" : "rough"] : []), ...(aside ? ["ahead"] : [])];
  const asked = path.includes("/edited?") ? [path, ...ways.map((way) => `${way}=true`)].join("&") : path;
  const shown = await picture(asked, signal);
  const isLate = shown.coming > SLOW;  // what is small and comes soon tells nothing of a line
  state.slow = isLate || (dragging && state.slow);
  if (Object.values(shown.faces).every((face) => face.exact)) keep(kept, path, shown);
  else { shown.draft = true; if (!isDraft) keep(roughs, path, shown); }
  return shown;
}

const arriving = (path) => (coming?.path === path ? coming.picture.catch(() => null) : null);

// Faces that are made anew look otherwise at the same address.
export function forgetLooks() {
  for (const pictures of [kept, roughs]) {
    for (const { url } of pictures.values()) setTimeout(() => URL.revokeObjectURL(url), 10_000);
    pictures.clear();
  }
}

// End what is fetched ahead; the picture that is wanted now may come to its end.
export function stopAhead(wanted) {
  const isNear = coming && coming.path === wanted && performance.now() - coming.began > NEARLY;
  if (isNear) ahead = null; else { ahead?.abort(); ahead = coming = null; }
}

// Fetch what a drag would show next, one after the other, while nothing else is wanted.
export async function fetchAhead(paths) {
  stopAhead();
  if (state.slow) return;
  const own = ahead = new AbortController();
  for (const path of paths) {
    if (ahead !== own) return;
    if (kept.has(path) || roughs.has(path)) continue;
    const one = coming = { path, began: performance.now(), picture: seen(path, { dragging: true, aside: true, signal: own.signal }) };
    await one.picture.catch(() => { if (ahead === own) ahead = null; });
    if (coming === one) coming = null;
  }
}
