// The page: one photo under a slider, its history and its downloads. panels.js has the rest.
import { download, follow, get, picture, send, upload } from "./api.js";
import { startInputs } from "./inputs.js";
import { openOther, startPanels } from "./panels.js";
import { setLanguage, text } from "./texts.js";

const $ = (id) => document.getElementById(id);
const ROW = [10, 20, 30, 40, 50, 60, 70, 80];
const HISTORY = 100;

// What is open, and what is done with it. `edits` is all that undo changes.
export const open = { photo: null, about: null };
let edits = null, history = [], now = -1, zoomed = false, job = null;
let showing = false, wanted = false, readings = {};

// ---- small things

export function notify(message, isGood = false) {
  const notice = $("notice");
  notice.textContent = message;
  notice.hidden = !message;
  notice.classList.toggle("good", isGood);
}

export const percent = (share) => `${Math.round(100 * share)} %`;

function swap(image, url) {
  const old = image.src;
  image.src = url;
  if (old.startsWith("blob:")) URL.revokeObjectURL(old);
}

export async function attempt(work) {
  try { return await work(); } catch (error) { if (error.name !== "AbortError") notify(error.message); return null; }
}

const view = () => (zoomed ? "face" : "whole");
const chosen = () => open.photo.faces.filter((face) => face.chosen);
const agesText = (ages) => chosen().filter((face) => face.number in ages).map((face) => `${face.number}:${ages[face.number]}`).join(",");
// The faces without a code that the edit needs; most edits need none.
const unlearnt = () => (edits.direction || open.photo.inverting.includes(edits.paste) ? chosen().filter((face) => !face.inverted) : []);

// ---- opening

async function openFile(file, name = file.name) {
  if (!file) return;
  const limit = open.about?.max_photo ?? Infinity;
  if (file.size > limit) { notify(text("tooLarge", { size: Math.round(file.size / 2 ** 20), limit: limit / 2 ** 20 })); return; }
  notify(text("opening"));
  await attempt(async () => {
    const isProject = /\.reage$/i.test(name);
    const photo = await upload(isProject ? "/projects" : `/photos?name=${encodeURIComponent(name || "photo")}`, file,
      (share) => notify(share < 1 ? text("uploading", { percent: percent(share) }) : text("opening")));
    notify(photo.notices.join("\n"));
    await begin(photo);
  });
}

async function begin(photo) {
  if (job) { attempt(() => send("DELETE", `/jobs/${job.id}`)); endJob(); }
  open.photo = photo;
  zoomed = false;
  readings = {};
  $("zoom").setAttribute("aria-pressed", "false");
  $("start").hidden = true;
  $("work").hidden = false;
  // A project brings its own history; else it begins with the photo as it is, and a first aged one.
  const kept = photo.edits?.history, plain = { ages: {}, paste: "delta", direction: "", strength: 0 };
  history = Array.isArray(kept) && kept.length ? kept : [plain, { ...plain, ages: firstAges() }];
  now = Math.min(photo.edits?.now ?? history.length - 1, history.length - 1);
  edits = structuredClone(history[now]);
  $("curtain").value = 0;
  drawCurtain();
  drawFaces();
  drawSliders();
  drawControls();
  await showOriginal();
  await wantShow();
}

// Thirty years older, as far as most faces reach; old people younger.
function firstAges() {
  return Object.fromEntries(chosen().map(({ number, age }) => [number, 5 * Math.round((age <= 60 ? Math.min(age + 30, 80) : age - 30) / 5)]));
}

async function showOriginal() {
  const shown = await attempt(() => picture(`/photos/${open.photo.id}/view?view=${view()}`));
  if (!shown) return;
  swap($("before"), shown.url);
  swap($("after"), URL.createObjectURL(shown.blob));
  const ratio = zoomed && chosen().length < 2 ? 1 : open.photo.width / open.photo.height;
  $("stage").style.aspectRatio = ratio;
  $("stage").style.maxWidth = `calc(68vh * ${ratio})`;
  $("before").alt = text("beforeTag");
}

// ---- learning faces (inversion): only for what needs their codes

// Returns the photo as it is then; null where it was cancelled.
export async function invert(photo, faces, paste, onChange) {
  const asked = { faces: faces.map((face) => face.number), quality: $("quality").value, seed: Number($("seed").value) || 0, paste };
  const started = await send("POST", `/photos/${photo.id}/invert`, asked);
  onChange(started);
  const last = await follow(started.id, onChange);
  if (last.state === "failed") throw new Error(last.error);
  return last.state === "done" ? last.result.photo : null;
}

// What the server says of a photo now; edits and sliders stay.
export function adopt(photo) {
  if (!photo || photo.id !== open.photo.id) return false;
  open.photo = { ...photo, edits: open.photo.edits };
  drawFaces();
  drawControls();
  return true;
}

async function learn(faces) {
  const photo = open.photo, paste = edits.direction ? null : edits.paste;
  $("busy").hidden = false;
  $("progress-picture").removeAttribute("src");
  const learnt = await attempt(() => invert(photo, faces, paste, (state) => open.photo.id === photo.id && showProgress(state)));
  if (open.photo.id === photo.id) endJob();
  return adopt(learnt);
}

function endJob() {
  job = null;
  $("busy").hidden = true;
}

// Learn what the edit needs, and say whether it can be shown. Whoever cancels gets the edit without it.
async function prepare() {
  const faces = unlearnt(), photo = open.photo;
  if (!faces.length || (await learn(faces))) return true;
  if (open.photo.id !== photo.id) return false;
  Object.assign(edits, { direction: "", paste: "delta" });
  history[now] = structuredClone(edits);
  if (now && JSON.stringify(history[now]) === JSON.stringify(history[now - 1])) history.splice(now--, 1);
  drawControls();
  return !unlearnt().length;
}

function showProgress(state) {
  job = state;
  const share = state.total ? state.done / state.total : 0;
  $("busy-bar").value = share;
  const left = state.seconds_left === null ? "" : ` ${text("left", { s: Math.ceil(state.seconds_left) })}`;
  $("busy-text").textContent = state.state === "waiting" ? text("waiting", { n: state.place })
    : state.stage === "curves" ? text("curves") : text("working", { percent: percent(share) }) + left;
  if (state.picture) $("progress-picture").src = state.picture;
  $("psnr").textContent = state.psnr === null ? "" : text("quality2", { psnr: state.psnr.toFixed(1) });
  const losses = state.losses, high = Math.max(...losses), low = Math.min(...losses);
  $("losses").firstElementChild.setAttribute("points", losses.map((loss, i) =>
    `${(200 * i) / Math.max(losses.length - 1, 1)},${48 - (46 * (loss - low)) / (high - low || 1)}`).join(" "));
}

// ---- faces

function drawFaces() {
  const { faces, width, height } = open.photo;
  $("faces-text").textContent = faces.length === 1 ? text("found1") : text("foundN", { n: faces.length });
  $("faces").replaceChildren(); $("boxes").replaceChildren();
  for (const face of faces) {
    const name = text("faceAge", { n: face.number, age: Math.round(face.age) });
    if (faces.length > 1) {
      const button = document.createElement("button");
      button.textContent = name;
      button.setAttribute("aria-pressed", face.chosen);
      button.onclick = () => chooseFace(face);
      $("faces").append(button);
    }
    if (zoomed || faces.length === 1) continue;
    const box = document.createElement("button"), label = document.createElement("span");
    const [x0, y0, x1, y1] = face.box;
    Object.assign(box.style, { left: `${(100 * x0) / width}%`, top: `${(100 * y0) / height}%`,
      width: `${(100 * (x1 - x0)) / width}%`, height: `${(100 * (y1 - y0)) / height}%` });
    label.textContent = faces.length > 1 ? `${face.number}` : "";
    box.setAttribute("aria-pressed", face.chosen);
    box.setAttribute("aria-label", name);
    box.title = name;
    box.append(label);
    box.onclick = () => chooseFace(face);
    $("boxes").append(box);
  }
}

async function chooseFace(face) {
  if (!face.chosen) {
    const faces = [...chosen(), face].map((one) => one.number);
    if (!adopt(await attempt(() => send("PUT", `/photos/${open.photo.id}/faces`, { faces })))) return;
    drawSliders();
    if (zoomed) await showOriginal();
    wantShow();
  }
  document.querySelector(`#age-${face.number}`)?.focus();
}

// ---- sliders and the picture

function drawSliders() {
  const several = chosen().length > 1;
  $("sliders").replaceChildren(...chosen().map((face) => {
    const box = document.createElement("div"), id = `age-${face.number}`;
    box.className = "slider";
    box.innerHTML = `<div class="line"><label for="${id}"></label><output for="${id}"></output><span class="read quiet"></span></div>
      <input type="range" id="${id}" min="1" max="90" step="1"><p class="limit quiet" aria-live="polite"></p>`;
    box.querySelector("label").textContent = several ? text("ageOf", { n: face.number }) : text("age");
    const input = box.querySelector("input");
    input.value = Math.round(edits.ages[face.number] ?? face.age);
    input.oninput = () => { edits.ages[face.number] = Number(input.value); edits.direction = ""; wantShow(); };
    input.onchange = remember;
    return box;
  }));
  drawReadings();
}

function drawReadings() {
  for (const face of chosen()) {
    const box = $(`age-${face.number}`)?.closest(".slider");
    if (!box) continue;
    const asked = edits.ages[face.number], seen = readings[face.number];
    box.querySelector("output").textContent = text("years", { age: Math.round(asked ?? face.age) });
    const round = (value) => Math.round(value);
    box.querySelector(".read").textContent = asked === undefined || !seen
      ? text("photoLooks", { age: round(face.age), spread: round(face.spread) })
      : text("looks", { age: round(seen.age), spread: round(seen.spread) });
    const out = seen && asked !== undefined && (asked < seen.reach[0] - 1 || asked > seen.reach[1] + 1);
    box.querySelector(".limit").textContent = out ? text("reachLimit", { low: round(seen.reach[0]), high: round(seen.reach[1]) }) : "";
    const input = box.querySelector("input");
    input.setAttribute("aria-valuetext", `${box.querySelector("output").textContent}, ${box.querySelector(".read").textContent}`);
    input.value = Math.round(asked ?? face.age);
  }
}

const look = (ages = edits.ages) => (edits.direction && ages === edits.ages
  ? `direction=${encodeURIComponent(edits.direction)}&strength=${edits.strength}` : `ages=${agesText(ages)}`) + `&paste=${edits.paste}`;
const path = (ages, which = view()) => `/photos/${open.photo.id}/edited?${look(ages)}&view=${which}`;

// One request at a time; what was dragged meanwhile is shown next, what lies between is skipped.
async function wantShow() {
  wanted = true;
  drawReadings();
  if (showing) return;
  showing = true;
  while (wanted) {
    wanted = false;
    await attempt(show);
  }
  showing = false;
}

async function show() {
  if (!(await prepare())) return;
  const photo = open.photo, shown = await picture(path(edits.ages));
  if (open.photo.id !== photo.id) return;
  readings = shown.faces;
  swap($("after"), shown.url);
  $("after").alt = Object.values(edits.ages).map((age) => text("years", { age })).join(", ") || text("original");
  drawReadings();
  const of = JSON.stringify([photo.id, edits.paste, chosen().map((face) => face.number)]);
  if (of !== rowOf) { rowOf = of; drawAges(); }
}

let row = null, rowOf = "";  // the requests of the row of ages, and what it shows

async function drawAges() {
  row?.abort();
  row = new AbortController();
  const signal = row.signal;
  const cells = ROW.map((age) => {
    const button = document.createElement("button");
    button.innerHTML = "<img alt=''><span></span>";
    button.lastElementChild.textContent = age;
    button.setAttribute("aria-label", text("years", { age }));
    button.onclick = () => { for (const face of chosen()) edits.ages[face.number] = age; edits.direction = ""; remember(); wantShow(); };
    return button;
  });
  const old = $("ages").querySelectorAll("img");
  old.forEach((image, i) => { if (image.src) cells[i].firstElementChild.src = image.src; });
  $("ages").replaceChildren(...cells);
  for (const [i, age] of ROW.entries()) {
    if (signal.aborted) return;
    await attempt(async () => {
      const ages = Object.fromEntries(chosen().map((face) => [face.number, age]));
      swap(cells[i].firstElementChild, (await picture(path(ages, "face"), signal)).url);
    });
  }
}

// ---- curtain

function drawCurtain() {
  const share = Number($("curtain").value);
  $("before").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
  $("handle").style.left = `${share}%`;
  $("handle").hidden = share === 0;
  document.querySelector(".left-tag").hidden = share < 12;
  document.querySelector(".right-tag").hidden = share > 88 || !Object.keys(edits?.ages ?? {}).length;
}

// ---- history

function remember() {
  if (JSON.stringify(history[now]) === JSON.stringify(edits)) return;
  history = history.slice(Math.max(0, now + 2 - HISTORY), now + 1);
  history.push(structuredClone(edits));
  now = history.length - 1;
  drawControls();
}

function goTo(index) {
  if (index < 0 || index >= history.length) return;
  now = index;
  edits = structuredClone(history[now]);
  drawControls();
  wantShow();
}

function said(entry) {
  const ages = Object.entries(entry.ages).map(([, age]) => text("years", { age })).join(", ");
  const moved = entry.direction ? `${entry.direction} ${entry.strength}` : ages || text("original");
  return entry.paste === "delta" ? moved : `${moved} (${entry.paste})`;
}

function drawControls() {
  $("undo").disabled = now <= 0;
  $("redo").disabled = now >= history.length - 1;
  $("paste").value = edits.paste;
  $("direction").value = edits.direction;
  $("strength").value = edits.strength;
  $("history").replaceChildren(...history.map((entry, i) => {
    const item = document.createElement("li"), button = document.createElement("button");
    button.textContent = said(entry);
    if (i === now) button.setAttribute("aria-current", "step");
    button.onclick = () => goTo(i);
    item.append(button);
    return item;
  }));
  drawCurtain();
  // Where nothing is changed yet, there is no picture of ours to save.
  $("get-photo").disabled = !agesText(edits.ages) && !edits.direction && edits.paste !== "none";
  $("again").hidden = !chosen().some((face) => face.inverted);
}

// ---- downloads

async function getMoving(suffix, button) {
  button.disabled = true;
  await attempt(async () => {
    const started = await send("POST", `/photos/${open.photo.id}/animation?first=5&last=80&suffix=${suffix}&${look()}`);
    const last = await follow(started.id, (state) => notify(state.state === "waiting" ? text("waiting", { n: state.place })
      : text("frames", { percent: percent(state.total ? state.done / state.total : 0) })));
    if (last.state !== "done") throw new Error(last.error ?? text("cancelled"));
    notify("");
    await download(`/jobs/${last.id}/file`);
  });
  button.disabled = false;
}

// ---- events

function listen() {
  $("choose").onclick = () => $("file").click();
  $("file").onchange = () => { openFile($("file").files[0]); $("file").value = ""; };
  startInputs({ photo: openFile, mix: openOther });
  $("curtain").oninput = drawCurtain;
  $("stop").onclick = () => job && attempt(() => send("POST", `/jobs/${job.id}/stop`));
  $("cancel").onclick = () => job && attempt(() => send("DELETE", `/jobs/${job.id}`));
  $("undo").onclick = () => goTo(now - 1);
  $("redo").onclick = () => goTo(now + 1);
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || /^(text|number|password)$/.test(event.target.type ?? "") || !open.photo) return;
    const key = event.key.toLowerCase();
    if (key === "z" && !event.shiftKey) { event.preventDefault(); goTo(now - 1); }
    if (key === "y" || (key === "z" && event.shiftKey)) { event.preventDefault(); goTo(now + 1); }
  });
  $("zoom").onclick = async () => {
    zoomed = !zoomed;
    $("zoom").setAttribute("aria-pressed", zoomed);
    drawFaces();
    await showOriginal();
    wantShow();
  };
  $("other").onclick = () => $("file").click();
  $("paste").onchange = () => { edits.paste = $("paste").value; remember(); wantShow(); };
  $("again").onclick = async () => { if (!job && (await learn(chosen()))) { rowOf = ""; wantShow(); } };
  $("quality").onchange = async () => {
    if (!open.photo || open.photo.inverting.length) return;  // there it is the inversion's
    const faces = chosen().map((face) => face.number);
    if (adopt(await attempt(() => send("PUT", `/photos/${open.photo.id}/faces`, { faces, quality: $("quality").value })))) { rowOf = ""; wantShow(); }
  };
  $("direction").onchange = $("strength").oninput = () => { edits.direction = $("direction").value; edits.strength = Number($("strength").value); wantShow(); };
  $("strength").onchange = remember;
  $("get-photo").onclick = () => attempt(() => download(`/photos/${open.photo.id}/download?${look()}&suffix=${$("format").value}`));
  $("get-strip").onclick = () => attempt(() => download(`/photos/${open.photo.id}/strip?${look()}&${ROW.map((age) => `to=${age}`).join("&")}`));
  $("get-project").onclick = () => attempt(() => download(`/photos/${open.photo.id}/project?paste=${edits.paste}&edits=${encodeURIComponent(JSON.stringify({ history, now }))}`));
  for (const button of document.querySelectorAll(".get-moving")) button.onclick = () => getMoving(button.dataset.suffix, button);
  $("language").onchange = () => choose($("language").value);
  $("theme").onclick = () => {
    const dark = getComputedStyle(document.documentElement).getPropertyValue("--ink").trim() === "#e6efec";
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
  };
  addEventListener("pagehide", () => navigator.sendBeacon("/api/v1/session/leave"));
}

function choose(language) {
  setLanguage(language);
  localStorage.setItem("language", language);
  $("language").value = language;
  if (open.about) $("privacy").textContent = open.about.local ? text("privateLocal") : text("privateServer", { minutes: 2 });
  if (open.photo && edits) { drawFaces(); drawSliders(); drawAges(); drawControls(); }
  document.dispatchEvent(new Event("reage-language"));
}

async function start() {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
  const language = localStorage.getItem("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
  listen();
  choose(language);
  open.about = await attempt(() => get("/about"));
  choose(language);
  const directions = (await attempt(() => get("/directions"))) ?? [];
  $("direction").replaceChildren(new Option("–", ""), ...directions.map((one) => new Option(one.name, one.name)));
  startPanels();
  document.body.dataset.ready = "yes";
}

start();
