// Pictures of looks: what was seen before comes from memory, what is likely next is fetched ahead.
import { picture } from "../api.js";
import { isChanged, lookOf, state } from "../state.js";

const KEPT = 160;  // pictures, of some 100 kB
const SLOW = 150;  // ms that a picture's bytes may take, before smaller ones are asked for
const kept = new Map();  // by address, the longest unused first
let ahead = null;

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

// A picture by its address. A draft is smaller and not kept: another takes its place soon.
export async function seen(path, { draft = false, signal } = {}) {
  const found = recalled(path);
  if (found) return found;
  const shown = await picture(draft ? `${path}&draft=true` : path, signal);
  state.slow = shown.coming > (draft ? SLOW / 4 : SLOW);
  if (draft) return { ...shown, draft };
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

export function stopAhead() { ahead?.abort(); ahead = null; }

// Fetch pictures one after the other, while nothing else is wanted.
export async function fetchAhead(paths) {
  stopAhead();
  if (state.slow) return;
  ahead = new AbortController();
  const { signal } = ahead;
  for (const path of paths) {
    if (signal.aborted) return;
    if (!kept.has(path)) await seen(path, { signal }).catch(() => stopAhead());
  }
}
