// The picture: before and after, under a curtain or side by side.
import { picture } from "../api.js";
import { attempt } from "../notice.js";
import { $, chosen, focused, here, isChanged, on, state, tell } from "../state.js";
import { text } from "../texts.js";
import { fetchAhead, pathOf, recalled, roughOf, seen, stopAhead } from "./looks.js";
import { ready } from "./learning.js";

const AHEAD = [1, 2, 3, -1, -2];  // years from the shown age, in the direction of the slider
const SETTLE = 300;  // ms without a drag, after which a draft gives way to the exact picture
let showing = false, wanted = false, isDragging = false, last = 0, settling = 0, original = 0, coming = null;

export const view = () => (state.near ? "near" : "whole");
export const viewQuery = () => `&view=${view()}&face=${face()}`;
const face = () => (state.near ? focused().number : 0);

// The part of the photo that the stage shows, in the photo's pixels.
export function frame() {
  const { width, height } = state.photo;
  if (!state.near) return { x: 0, y: 0, width, height };
  const [x, y, side] = focused().square;
  return { x, y, width: side, height: side };
}

// ---- pictures

export async function showOriginal() {
  const asked = ++original, shown = await attempt(() => picture(here(`/view?view=${view()}&face=${face()}`)), "show");
  if (!shown || !state.photo || asked !== original) return;
  $("before").src = shown.url;
  $("before").alt = text("beforeTag");
  if (!isAged()) { $("after").src = shown.url; $("after").alt = text("original"); }
  tell("framed");
}

let shownPath = "";  // what the after picture shows
const wantedPath = () => pathOf(state.edits, view(), face());
const isAged = () => shownPath === wantedPath() && isChanged();

// One request at a time; what was dragged meanwhile is shown next, what lies between is skipped.
export async function wantShow({ dragging = false } = {}) {
  if (!state.photo) return;
  const path = wantedPath();
  stopAhead(path);
  wanted = true;
  isDragging = dragging;  // of the newest call: an older one may still be showing
  clearTimeout(settling);
  settling = 0;
  if (dragging) coming?.abort();  // an exact picture, which would hold up what is dragged
  tell("readings");
  const known = recalled(path) ?? roughOf(path);
  if (known) put(path, known); else drawTags();
  if (known && (dragging || !known.draft)) { wanted = false; ahead(); return; }
  clearTimeout(settling);
  settling = 0;
  if (showing) return;
  showing = true;
  while (wanted) {
    wanted = false;
    await attempt(() => show(isDragging), "show");
  }
  showing = false;
  ahead();
}

// Until what is wanted stands there exactly: whoever saves a moment after a drag saves that.
export async function rested() {
  while (showing || settling) {
    if (!showing) wantShow();
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

async function show(dragging) {
  if (!state.photo || !(await ready())) return;
  const photo = state.photo.id, path = wantedPath();
  coming = dragging ? null : new AbortController();
  const shown = await seen(path, { dragging, signal: coming?.signal });
  coming = null;
  // What is late takes no newer one's place.
  if (state.photo?.id === photo && (wanted || path === wantedPath())) put(path, shown);
}

function put(path, shown) {
  shownPath = path;
  clearTimeout(settling);
  settling = shown.draft ? setTimeout(() => wantShow(), SETTLE) : 0;
  state.readings = shown.faces;
  $("after").src = shown.url;
  $("stage").classList.toggle("draft", Boolean(shown.draft));
  $("after").alt = Object.values(state.edits.ages).map((age) => text("years", { age })).join(", ") || text("original");
  drawTags();
  tell("readings");
  tell("shown", { draft: shown.draft });
}

// The ages next to the shown one, of a single face: its slider is the one that is dragged.
function ahead() {
  if (!state.photo) return;
  const number = focused()?.number, age = state.edits.ages[number];
  if (age === undefined || state.edits.direction || wanted) return;
  const way = age < last ? -1 : 1, isJump = Math.abs(age - last) > AHEAD[2];
  last = age;
  if (isJump && settling) return;  // where nothing is known, ages ahead hold up the next jump
  const near = AHEAD.map((step) => age + way * step).filter((one) => one >= 1 && one <= 90);
  fetchAhead(near.map((one) => pathOf({ ...state.edits, ages: { ...state.edits.ages, [number]: one } }, view(), face())));
}

// ---- curtain, side by side, hold

const isSide = () => $("stage").classList.contains("side");

function drawCurtain() {
  const share = Number($("curtain").value);
  $("pane-before").style.clipPath = isSide() ? "none" : `inset(0 ${100 - share}% 0 0)`;
  $("handle").style.left = `${share}%`;
  $("handle").style.setProperty("--share", share);
  drawTags();
}

function drawTags() {
  const share = Number($("curtain").value), aged = state.photo && isAged();
  $("tag-before").hidden = !isSide() && share < 12;
  $("tag-after").hidden = !state.photo || !isChanged() || (!isSide() && share > 88);
  // Until the picture is there, nothing else passes for it.
  $("tag-after").textContent = aged ? text("afterTag") : text("making");
}

function hold(isHeld) {
  $("stage").classList.toggle("held", isHeld);
  $("hold").setAttribute("aria-pressed", isHeld);
  if (isHeld) $("pane-before").style.clipPath = "none"; else drawCurtain();
}

function dragCurtain() {
  const stage = $("stage"), knob = $("handle");
  const move = (event) => {
    const box = stage.getBoundingClientRect();
    $("curtain").value = Math.round(Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width)));
    drawCurtain();
  };
  knob.onpointerdown = (event) => {
    event.preventDefault();
    event.stopPropagation();
    knob.setPointerCapture(event.pointerId);
    knob.onpointermove = move;
  };
  knob.onpointerup = knob.onpointercancel = () => { knob.onpointermove = null; };
}

export function startStage() {
  on("photo", () => {
    shownPath = "";
    $("curtain").value = 0;
    drawCurtain();
  });
  on("edits", () => wantShow());
  on("faces", () => { if (state.near) showOriginal(); wantShow(); });
  on("language", () => state.photo && drawTags());
  $("curtain").oninput = drawCurtain;
  dragCurtain();
  $("side").onclick = () => {
    const side = $("stage").classList.toggle("side");
    $("side").setAttribute("aria-pressed", side);
    drawCurtain();
    tell("framed");
  };
  $("hold").onpointerdown = () => hold(true);
  $("hold").onpointerup = $("hold").onpointerleave = $("hold").onpointercancel = () => hold(false);
  $("hold").onkeydown = (event) => { if (event.key === " " || event.key === "Enter") { event.preventDefault(); hold(true); } };
  $("hold").onkeyup = $("hold").onblur = () => hold(false);
  $("zoom").onclick = () => {
    state.near = !state.near;
    $("zoom").setAttribute("aria-pressed", state.near);
    tell("near");
    showOriginal();
    wantShow();
  };
  if (document.fullscreenEnabled) {
    $("full").onclick = () => (document.fullscreenElement ? document.exitFullscreen() : $("viewer").requestFullscreen());
    document.addEventListener("fullscreenchange", () => {
      $("full").setAttribute("aria-pressed", Boolean(document.fullscreenElement));
      tell("framed");
    });
  } else $("full").hidden = true;
  document.addEventListener("reage-online", () => state.photo && wantShow());
}

export const facesShown = () => (state.near ? [focused()] : chosen());
