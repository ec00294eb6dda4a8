// The page: one photo under a slider, its history and its downloads. panels.js has the rest.
import { download, follow, get, picture, send, upload } from "./api.js";
import { startPanels } from "./panels.js";
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

const agesText = (ages) => Object.entries(ages).map(([face, age]) => `${face}:${age}`).join(",");
const view = () => (zoomed ? "face" : "whole");
const inverted = () => open.photo.faces.filter((face) => face.inverted);

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
  if (job) await attempt(() => send("DELETE", `/jobs/${job.id}`));
  open.photo = photo;
  zoomed = false;
  readings = {};
  $("zoom").setAttribute("aria-pressed", "false");
  $("start").hidden = true;
  $("work").hidden = false;
  // A project brings its own history; else it begins with the photo as it is.
  const kept = photo.edits?.history;
  history = Array.isArray(kept) && kept.length ? kept : [{ ages: {}, paste: "delta", direction: "", strength: 0 }];
  now = Math.min(photo.edits?.now ?? history.length - 1, history.length - 1);
  edits = structuredClone(history[now]);
  $("curtain").value = 0;
  drawCurtain();
  await showOriginal();
  drawFaces();
  drawControls();
  if (inverted().length) await ready();
  else await learn([photo.largest]);
}

async function showOriginal() {
  const shown = await picture(`/photos/${open.photo.id}/view?view=${view()}`);
  swap($("before"), shown.url);
  swap($("after"), (await picture(`/photos/${open.photo.id}/view?view=${view()}`)).url);
  const ratio = zoomed && inverted().length < 2 ? 1 : open.photo.width / open.photo.height;
  $("stage").style.aspectRatio = ratio;
  $("stage").style.maxWidth = `calc(68vh * ${ratio})`;
  $("before").alt = text("beforeTag");
}

// ---- learning faces (inversion)

async function learn(faces) {
  $("busy").hidden = false;
  $("progress-picture").removeAttribute("src");
  await attempt(async () => {
    job = await send("POST", `/photos/${open.photo.id}/invert`, { faces, quality: $("quality").value, seed: Number($("seed").value) || 0 });
    const last = await follow(job.id, showProgress);
    if (last.state === "failed") throw new Error(last.error);
    if (last.state === "done") open.photo = { ...last.result.photo, edits: open.photo.edits };
  });
  job = null;
  $("busy").hidden = true;
  drawFaces();
  if (inverted().length) await ready();
}

function showProgress(state) {
  if (job) Object.assign(job, state);
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

async function ready() {
  drawSliders();
  drawControls();
  await show();
  drawAges();
  if (zoomed) await showOriginal().then(show);
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
      button.setAttribute("aria-pressed", face.inverted);
      button.onclick = () => chooseFace(face);
      $("faces").append(button);
    }
    if (zoomed || (faces.length === 1 && face.inverted)) continue;
    const box = document.createElement("button"), label = document.createElement("span");
    const [x0, y0, x1, y1] = face.box;
    Object.assign(box.style, { left: `${(100 * x0) / width}%`, top: `${(100 * y0) / height}%`,
      width: `${(100 * (x1 - x0)) / width}%`, height: `${(100 * (y1 - y0)) / height}%` });
    label.textContent = faces.length > 1 ? `${face.number}` : "";
    box.setAttribute("aria-pressed", face.inverted);
    box.setAttribute("aria-label", name);
    box.title = name;
    box.append(label);
    box.onclick = () => chooseFace(face);
    $("boxes").append(box);
  }
}

async function chooseFace(face) {
  if (!face.inverted && !job) await learn([face.number]);
  document.querySelector(`#age-${face.number}`)?.focus();
}

// ---- sliders and the picture

function drawSliders() {
  const several = inverted().length > 1;
  $("sliders").replaceChildren(...inverted().map((face) => {
    const box = document.createElement("div"), id = `age-${face.number}`;
    box.className = "slider";
    box.innerHTML = `<div class="line"><label for="${id}"></label><output for="${id}"></output><span class="read quiet"></span></div>
      <input type="range" id="${id}" min="1" max="90" step="1"><p class="limit quiet" aria-live="polite"></p>`;
    box.querySelector("label").textContent = several ? text("ageOf", { n: face.number }) : text("age");
    const input = box.querySelector("input");
    input.value = Math.round(edits.ages[face.number] ?? face.age);
    input.oninput = () => { edits.ages[face.number] = Number(input.value); edits.direction = ""; wantShow(); };
    input.onchange = () => { remember(); drawAgesSoon(); };
    return box;
  }));
  drawReadings();
}

function drawReadings() {
  for (const face of inverted()) {
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
    if (document.activeElement !== input) input.value = Math.round(asked ?? face.age);
  }
}

function path(ages, which = view()) {
  if (edits.direction && ages === edits.ages) {
    return `/photos/${open.photo.id}/moved?direction=${encodeURIComponent(edits.direction)}&strength=${edits.strength}&paste=${edits.paste}&view=${which}`;
  }
  return `/photos/${open.photo.id}/edited?ages=${agesText(ages)}&paste=${edits.paste}&view=${which}`;
}

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
  if (!inverted().length) return;
  const shown = await picture(path(edits.ages));
  readings = shown.faces;
  swap($("after"), shown.url);
  $("after").alt = Object.values(edits.ages).map((age) => text("years", { age })).join(", ") || text("original");
  drawReadings();
}

let row = null, rowTimer = 0;
function drawAgesSoon() { clearTimeout(rowTimer); rowTimer = setTimeout(drawAges, 300); }

async function drawAges() {
  row?.abort();
  row = new AbortController();
  const signal = row.signal, first = inverted()[0];
  if (!first) return;
  const cells = ROW.map((age) => {
    const button = document.createElement("button");
    button.innerHTML = "<img alt=''><span></span>";
    button.lastElementChild.textContent = age;
    button.setAttribute("aria-label", text("years", { age }));
    button.onclick = () => { for (const face of inverted()) edits.ages[face.number] = age; edits.direction = ""; remember(); wantShow(); };
    return button;
  });
  const old = $("ages").querySelectorAll("img");
  old.forEach((image, i) => { if (image.src) cells[i].firstElementChild.src = image.src; });
  $("ages").replaceChildren(...cells);
  for (const [i, age] of ROW.entries()) {
    if (signal.aborted) return;
    await attempt(async () => {
      const ages = Object.fromEntries(inverted().map((face) => [face.number, age]));
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
  const before = edits.paste;
  edits = structuredClone(history[now]);
  drawControls();
  wantShow();
  if (before !== edits.paste) drawAgesSoon();
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
  const can = Boolean(open.photo && inverted().length);
  for (const button of document.querySelectorAll("#get-photo, #get-strip, .get-moving, #get-project")) button.disabled = !can;
}

// ---- downloads

const chosenAges = () => (Object.keys(edits.ages).length ? edits.ages
  : Object.fromEntries(inverted().map((face) => [face.number, Math.round(face.age)])));

async function getMoving(suffix, button) {
  button.disabled = true;
  await attempt(async () => {
    const started = await send("POST", `/photos/${open.photo.id}/animation?first=5&last=80&suffix=${suffix}&paste=${edits.paste}`);
    const last = await follow(started.id, (state) => notify(state.state === "waiting" ? text("waiting", { n: state.place })
      : text("frames", { percent: percent(state.total ? state.done / state.total : 0) })));
    if (last.state !== "done") throw new Error(last.error ?? text("cancelled"));
    notify("");
    await download(`/jobs/${last.id}/file`);
  });
  button.disabled = false;
}

// ---- camera

async function openCamera() {
  const dialog = $("camera-dialog"), video = $("camera-video");
  let stream;
  try { stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 } } }); } catch (error) {
    notify(text("noCamera", { error: error.message ?? "" }));
    return;
  }
  video.srcObject = stream;
  await video.play();
  dialog.showModal();
  dialog.onclose = () => { for (const track of stream.getTracks()) track.stop(); video.srcObject = null; };
  $("camera-close").onclick = () => dialog.close();
  $("camera-take").onclick = () => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth; canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => { dialog.close(); openFile(blob, "camera.jpg"); }, "image/jpeg", 0.95);
  };
}

// ---- events

function listen() {
  const drop = $("drop");
  $("choose").onclick = () => $("file").click();
  $("file").onchange = () => { openFile($("file").files[0]); $("file").value = ""; };
  $("camera").onclick = openCamera;
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop") openFile(event.dataTransfer.files[0]);
    });
  }
  document.addEventListener("paste", (event) => openFile(event.clipboardData.files[0]));
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
    await attempt(async () => { await showOriginal(); drawFaces(); await show(); });
  };
  $("other").onclick = () => $("file").click();
  $("paste").onchange = () => { edits.paste = $("paste").value; remember(); wantShow(); drawAgesSoon(); };
  $("again").onclick = () => !job && learn(inverted().length ? inverted().map((face) => face.number) : [open.photo.largest]);
  $("direction").onchange = $("strength").oninput = () => { edits.direction = $("direction").value; edits.strength = Number($("strength").value); wantShow(); };
  $("strength").onchange = remember;
  $("get-photo").onclick = () => attempt(() => download(`/photos/${open.photo.id}/download?ages=${agesText(chosenAges())}&paste=${edits.paste === "none" ? "delta" : edits.paste}&suffix=${$("format").value}`));
  $("get-strip").onclick = () => attempt(() => download(`/photos/${open.photo.id}/strip?${ROW.map((age) => `to=${age}`).join("&")}&paste=${edits.paste}`));
  $("get-project").onclick = () => attempt(() => download(`/photos/${open.photo.id}/project?edits=${encodeURIComponent(JSON.stringify({ history, now }))}`));
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
  if (open.photo && edits) { drawFaces(); if (inverted().length) { drawSliders(); drawAges(); } drawControls(); }
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
