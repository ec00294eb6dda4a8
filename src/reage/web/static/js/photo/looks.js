// Pictures of looks: what was seen before comes from memory, what is likely next is fetched ahead.
import { picture } from "../api.js";
import { isChanged, lookOf, state } from "../state.js";

const KEPT = 160;  // pictures, of some 100 kB
const NEARLY = 90;  // ms after which one that is fetched ahead comes sooner than if asked for anew
const SLOW = 150;  // ms that a picture's bytes may take, before smaller ones are asked for
const kept = new Map();  // by address, the longest unused first
let ahead = null, coming = null;  // what is fetched ahead: all of it, and the one under way

// A photo in which nobody is changed is shown as it is.
export function pathOf(edits, view, face = 0) {
  const what = isChanged(edits) || edits.paste === "none" ? `edited?${lookOf(edits)}` : "view?";
  return `/photos/${state.photo.id}/${what}&view=${view}${face ? `&face=${face}` : ""}`;
}

export function recalled(path) {
  const found = kept.get(path);
  if (found) { kept.delete(path); kept.set(path, found); }
  return found;
}

// A picture by its address. A drag gets it at once: where its age was not searched yet it is rough,
// on a slow line it is a smaller draft. Neither is kept: another picture takes its place soon.
// What is fetched ahead waits aside on the server.
export async function seen(path, { dragging = false, isAhead = false, signal } = {}) {
  const found = recalled(path) ?? (coming?.path === path ? await coming.picture.catch(() => null) : null);
  if (found) return found;
  const draft = dragging && state.slow, way = draft ? "draft" : dragging ? "rough" : isAhead ? "ahead" : "";
  const shown = await picture(way && path.includes("/edited?") ? `${path}&${way}=true` : path, signal);
  if (!draft) state.slow = shown.coming > SLOW;  // a draft is too small to tell
  if (draft || Object.values(shown.faces).some((face) => face.rough)) return { ...shown, draft: true };
  kept.set(path, shown);
  if (kept.size > KEPT) {
    const [oldest, picture] = kept.entries().next().value;
    kept.delete(oldest);
    setTimeout(() => URL.revokeObjectURL(picture.url), 10_000);
  }
  return shown;
}

// Faces that are made anew look otherwise at the same address.
export function forgetLooks() {
  for (const { url } of kept.values()) setTimeout(() => URL.revokeObjectURL(url), 10_000);
  kept.clear();
}

// End what is fetched ahead; the picture that is wanted now may come to its end.
export function stopAhead(wanted) {
  const isNear = coming && coming.path === wanted && performance.now() - coming.began > NEARLY;
  if (isNear) ahead = null; else { ahead?.abort(); ahead = coming = null; }
}

// Fetch pictures one after the other, while nothing else is wanted.
export async function fetchAhead(paths) {
  stopAhead();
  if (state.slow) return;
  const own = ahead = new AbortController();
  for (const path of paths) {
    if (ahead !== own) return;
    if (kept.has(path)) continue;
    const one = coming = { path, began: performance.now(), picture: seen(path, { isAhead: true, signal: own.signal }) };
    await one.picture.catch(() => { if (ahead === own) ahead = null; });
    if (coming === one) coming = null;
  }
}
