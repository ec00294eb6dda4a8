// What was done with the photo: undo, redo, the list; kept on the server for a reload.
import { send } from "../api.js";
import { attempt } from "../notice.js";
import { $, chosen, here, isChanged, on, state, tell } from "../state.js";
import { text } from "../texts.js";

const MOST = 100;
const PLAIN = { ages: {}, paste: "delta", direction: "", strength: 0 };
let keeping = 0;

// Thirty years older, as far as most faces reach; old people younger.
export const firstAge = (age) => 5 * Math.round((age <= 60 ? Math.min(age + 30, 80) : age - 30) / 5);

// Of a project file from elsewhere, which may tell of faces that are not there, or of anything.
const isStep = (step, photo) => ["delta", "replace", "none"].includes(step?.paste) && typeof step.direction === "string" && Number.isFinite(step.strength)
  && step.ages instanceof Object && Object.entries(step.ages).every(([number, age]) => Number.isFinite(age) && photo.faces.some((face) => String(face.number) === number));

// What an opened photo brings along; else the photo as it is and a first aged look.
export function beginHistory(photo) {
  const history = photo.edits?.history;
  const kept = Array.isArray(history) ? history.filter((step) => isStep(step, photo)) : [];
  const first = { ...PLAIN, ages: Object.fromEntries(chosen().map((face) => [face.number, firstAge(face.age)])) };
  state.history = kept.length ? kept : [PLAIN, first];
  const last = state.history.length - 1, now = photo.edits?.now;
  state.now = Number.isInteger(now) ? Math.max(0, Math.min(now, last)) : last;
  state.edits = structuredClone(state.history[state.now]);
}

export function remember() {
  if (JSON.stringify(state.history[state.now]) === JSON.stringify(state.edits)) return;
  state.history = state.history.slice(Math.max(0, state.now + 2 - MOST), state.now + 1);
  state.history.push(structuredClone(state.edits));
  state.now = state.history.length - 1;
  draw();
  keep();
}

// The step that turned out impossible is taken back.
export function revoke(changed) {
  Object.assign(state.edits, changed);
  state.history[state.now] = structuredClone(state.edits);
  const same = state.now && JSON.stringify(state.history[state.now]) === JSON.stringify(state.history[state.now - 1]);
  if (same) state.history.splice(state.now--, 1);
  draw();
}

function keep() {
  clearTimeout(keeping);
  const photo = state.photo.id, edits = { history: state.history, now: state.now };
  keeping = setTimeout(() => attempt(() => send("PUT", `/photos/${photo}/edits`, edits), "keep"), 300);
}

function goTo(index) {
  if (index < 0 || index >= state.history.length) return;
  state.now = index;
  state.edits = structuredClone(state.history[index]);
  draw();
  keep();
  tell("edits");
}

function said(entry) {
  const ages = Object.values(entry.ages).map((age) => text("years", { age })).join(", ");
  const moved = entry.direction ? `${entry.direction} ${entry.strength}` : ages || text("original");
  return entry.paste === "delta" ? moved : `${moved} (${text({ replace: "pasteReplace", none: "pasteNone" }[entry.paste])})`;
}

function draw() {
  if (!state.photo) return;
  const held = document.activeElement;  // a button that is disabled or redrawn loses the focus
  $("undo").disabled = state.now <= 0;
  $("redo").disabled = state.now >= state.history.length - 1;
  const list = $("history");
  while (list.children.length > state.history.length) list.lastElementChild.remove();
  while (list.children.length < state.history.length) {
    const item = document.createElement("li"), button = document.createElement("button"), index = list.children.length;
    button.onclick = () => goTo(index);
    item.append(button);
    list.append(item);
  }
  state.history.forEach((entry, i) => {
    const button = list.children[i].firstElementChild;
    button.textContent = said(entry);
    if (i === state.now) button.setAttribute("aria-current", "step"); else button.removeAttribute("aria-current");
  });
  if (held === $("undo") && held.disabled) $("redo").focus();
  if (held === $("redo") && held.disabled) $("undo").focus();
  tell("history", isChanged());
}

export function startHistory() {
  on("photo language", draw);
  $("undo").onclick = () => goTo(state.now - 1);
  $("redo").onclick = () => goTo(state.now + 1);
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || !state.photo || $("panel-photo").hidden) return;
    if (/^(text|number|password)$/.test(event.target.type ?? "")) return;
    const key = event.key.toLowerCase();
    if (key === "z" && !event.shiftKey) { event.preventDefault(); goTo(state.now - 1); }
    if (key === "y" || (key === "z" && event.shiftKey)) { event.preventDefault(); goTo(state.now + 1); }
  });
  $("get-project").onclick = () => saveProject();
}

async function saveProject() {
  const { download } = await import("../api.js");
  const edits = encodeURIComponent(JSON.stringify({ history: state.history, now: state.now }));
  await attempt(() => download(here(`/project?paste=${state.edits.paste}&edits=${edits}`)), "save");
}
