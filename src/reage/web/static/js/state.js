// What is open and what is done with it; whoever shows it listens for its changes.
export const $ = (id) => document.getElementById(id);
export const percent = (share) => `${Math.round(100 * share)} %`;

// `edits` is all that undo changes; `focus` is the face that a close view shows.
export const state = {
  about: null, photo: null, edits: null, history: [], now: -1, near: false, focus: 0, readings: {}, job: null, slow: false,
};

const bus = new EventTarget();
// photo: another one is open. closed: that of an id is no more. faces: others are in the edit. edits: they are to look otherwise.
// shown: the picture has come. language: all words are others.
export const on = (names, work) => { for (const name of names.split(" ")) bus.addEventListener(name, (event) => work(event.detail)); };
export const tell = (name, detail) => bus.dispatchEvent(new CustomEvent(name, { detail }));

export const chosen = () => state.photo.faces.filter((face) => face.chosen);
export const focused = () => chosen().find((face) => face.number === state.focus) ?? chosen()[0];
export const isChanged = (edits = state.edits) => Boolean(edits.direction) || chosen().some((face) => face.number in edits.ages);
export const agesText = (ages) => chosen().filter((face) => face.number in ages).map((face) => `${face.number}:${ages[face.number]}`).join(",");

// The parts of a change, of which less can be shown.
export const PARTS = ["skin", "shape", "hair"];

// The query that says how faces are to look: at ages, or along a direction.
export function lookOf(edits = state.edits) {
  const what = edits.direction ? `direction=${encodeURIComponent(edits.direction)}&strength=${edits.strength}` : `ages=${agesText(edits.ages)}`;
  const parts = PARTS.filter((part) => (edits[part] ?? 1) !== 1).map((part) => `&${part}=${edits[part]}`).join("");
  return `${what}&paste=${edits.paste}${parts}`;
}

export const here = (rest = "") => `/photos/${state.photo.id}${rest}`;
