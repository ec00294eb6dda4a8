// A video at another age: who, from when to when, and both versions beside each other.
import { download, upload } from "../api.js";
import { ask, attempt } from "../notice.js";
import { fill } from "../inputs.js";
import { $ } from "../state.js";
import { text } from "../texts.js";
import { labelled, resume, submit } from "./cards.js";

let source = "";  // the chosen file's address
let found = 0;  // the latest search for people

export async function dropVideo([file]) {
  const held = $("video-file").files[0];
  if (held && !(await ask(text("askReplaceFile", { name: held.name }), text("openIt")))) return;
  fill($("video-file"), [file]);
}

function showSource() {
  if (source) URL.revokeObjectURL(source);
  const file = $("video-file").files[0], player = $("video-source");
  source = file ? URL.createObjectURL(file) : "";
  $("people").replaceChildren();
  check();
  found += 1;
  $("find-people").hidden = $("video-trim").hidden = true;
  player.hidden = !file;
  if (!file) return;
  player.src = source;
  player.onerror = () => { player.hidden = true; };  // what a browser cannot play, FFmpeg may
  player.onloadedmetadata = () => {
    $("find-people").hidden = $("video-trim").hidden = false;
    for (const id of ["video-start", "video-end"]) $(id).max = Math.ceil(player.duration);
    $("video-start").value = 0;
    $("video-end").value = Math.min(3, Math.round(player.duration * 10) / 10);
  };
}

const isWhole = () => $("video-whole").value === "all";
const startOf = () => (isWhole() ? 0 : Number($("video-start").value) || 0);

// The frame in which the part begins: people are numbered as they stand there, from the left.
async function firstFrame() {
  const player = $("video-source"), at = startOf();
  if (Math.abs(player.currentTime - at) > 0.01 || player.readyState < 2) {
    await new Promise((resolve) => { player.onseeked = resolve; player.currentTime = at + 0.001; });
  }
  const canvas = document.createElement("canvas");
  canvas.width = player.videoWidth; canvas.height = player.videoHeight;
  canvas.getContext("2d").drawImage(player, 0, 0);
  return canvas;
}

async function findPeople() {
  const one = ++found;
  await attempt(async () => {
    const frame = await firstFrame();
    const blob = await new Promise((resolve) => { frame.toBlob(resolve, "image/jpeg", 0.95); });
    const people = await upload("/ages?name=frame.jpg", blob);
    if (one !== found) return;  // another part was chosen since, or another video
    $("people").replaceChildren(...people.map((person) => portrait(frame, person)));
    check();
  }, "video");
}

function portrait(frame, { number, box, age }) {
  const label = document.createElement("label"), small = document.createElement("canvas"), check = document.createElement("input");
  const [x0, y0, x1, y1] = box, side = 1.5 * Math.max(x1 - x0, y1 - y0);
  small.width = small.height = 112;
  small.getContext("2d").drawImage(frame, (x0 + x1 - side) / 2, (y0 + y1 - side) / 2, side, side, 0, 0, 112, 112);
  Object.assign(check, { type: "checkbox", value: number, checked: true });
  check.setAttribute("aria-label", text("faceAge", { n: number, age: Math.round(age) }));
  label.append(small, check);
  return label;
}

// An age, or ages over time: 0s=40, 3s=60.
const isOverTime = (age) => age.includes("=");
const picked = () => [...$("people").querySelectorAll("input:checked")].map((one) => one.value);

function check() {
  const parts = $("video-age").value.split(","), years = parts.map((part) => Number(part.split("=").at(-1)));
  const isGood = years.every((age) => age >= 0 && age <= 120) && (/^\s*[\d.]+\s*$/.test($("video-age").value) || parts.every((part) => /^\s*[\d.]+s\s*=\s*[\d.]+\s*$/.test(part)));
  // Ages over time hold for one person or for everybody.
  const isPossible = !isOverTime($("video-age").value) || picked().length < 2;
  $("video-which").parentElement.hidden = picked().length > 0;  // said by picture
  $("video-age").setCustomValidity(isGood && isPossible ? "" : text(isGood ? "ageKeysWho" : "ageKeys"));
}

function asked() {
  const age = $("video-age").value.replaceAll(" ", ""), people = picked();
  if (!people.length) return `to=${encodeURIComponent(age)}&which=${$("video-which").value}`;
  return isOverTime(age) ? `to=${encodeURIComponent(age)}&which=${people[0]}` : `to=${people.map((one) => `${one}:${age}`).join(",")}`;
}

function query(file) {
  // What the browser cannot play has no known length: its first seconds.
  const start = startOf(), length = $("video-trim").hidden ? 3 : Math.max(0.1, Number($("video-end").value) - start);
  const trim = isWhole() ? "" : `&preview=${length}&start=${start}`;
  return `/videos?${asked()}${trim}&name=${encodeURIComponent(file.name)}`;
}

// Beside the original, unless that was lost with a reload.
function showResult(job, shown, original = "", start = 0) {
  const before = document.createElement("video"), after = document.createElement("video"), path = `/api/v1/jobs/${job.id}/file`;
  before.src = original && `${original}#t=${start}`;
  after.src = path;
  after.controls = after.loop = true;
  before.muted = before.playsInline = after.playsInline = true;
  after.onplay = () => before.play().catch(() => {});
  after.onpause = () => before.pause();
  after.ontimeupdate = () => { if (Math.abs(before.currentTime - start - after.currentTime) > 0.2) before.currentTime = start + after.currentTime; };
  before.onerror = () => before.remove();
  shown.result.className = "result players";
  shown.result.replaceChildren(before, after);
  shown.buttons(labelled(text("save"), () => attempt(() => download(`/jobs/${job.id}/file`))));
}

export const resumeVideos = () => resume("video-jobs", "video", (job, shown) => showResult(job, shown));

export function startVideo() {
  $("video-file").onchange = showSource;
  $("find-people").onclick = findPeople;
  $("video-age").oninput = $("people").onchange = check;
  // Others may be there where another part begins.
  const begin = () => $("people").childElementCount && findPeople();
  $("video-start").onchange = begin;
  $("video-whole").onchange = () => { $("trim-fields").hidden = isWhole(); begin(); };
  $("video-form").onsubmit = (event) => {
    event.preventDefault();
    const file = $("video-file").files[0], original = URL.createObjectURL(file);
    const start = startOf();
    submit("video-jobs", file, query(file), (job, shown) => showResult(job, shown, original, start));
  };
}
