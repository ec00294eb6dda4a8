// Opening a photo or a project, and the photos of this session that are open.
import { get, picture, send, upload } from "../api.js";
import { ask, attempt, notify, settle } from "../notice.js";
import { $, on, percent, state, tell } from "../state.js";
import { text, translated } from "../texts.js";
import { beginHistory } from "./history.js";
import { cancelJob, endJob } from "./learning.js";
import { forgetLooks } from "./looks.js";
import { showOriginal, wantShow } from "./stage.js";

let sending = null;  // what ends the upload of a photo

export function isTooLarge(file, limit = state.about?.max_photo ?? Infinity) {
  if (file.size <= limit) return false;
  const megabytes = (bytes) => Number((bytes / 2 ** 20).toFixed(1));
  notify(text("tooLarge", { size: megabytes(file.size), limit: megabytes(limit) }), "open");
  return true;
}

export async function openFile(file, name = file?.name) {
  if (!file || isTooLarge(file)) return;
  sending?.abort();  // of two files the later one is wanted
  const own = sending = new AbortController();
  const show = (share) => notify(share < 1 ? text("uploading", { percent: percent(share) }) : text("opening"), "open", () => own.abort());
  show(0);
  await attempt(async () => {
    const isProject = /\.reage$/i.test(name);
    const photo = await upload(isProject ? "/projects" : `/photos?name=${encodeURIComponent(name || "photo")}`, file, show, own.signal);
    settle("open");
    await begin(photo);
    if (photo.notices.length) notify(photo.notices.map(translated).join("\n"), "photo");
  }, "open");
}

// What is dropped or pasted does not take an open photo's place unasked.
export async function openDropped(file, name) {
  if (state.photo && !(await ask(text("askReplace", { name: state.photo.name }), text("openIt")))) return;
  await openFile(file, name);
}

async function begin(photo) {
  if (state.job) { cancelJob(); endJob(); }
  notify("");
  Object.assign(state, { photo, near: false, readings: {}, focus: photo.faces.find((face) => face.chosen).number });
  sessionStorage.setItem("photo", photo.id);
  forgetLooks();
  $("zoom").setAttribute("aria-pressed", false);
  $("start").hidden = true;
  $("work").hidden = false;
  $("after").removeAttribute("src");
  beginHistory(photo);
  tell("photo");
  listPhotos();
  await showOriginal();
  await wantShow();
}

// ---- the session's photos

let listed = 0, reopened = 0;  // the latest of each: an earlier answer may come later

async function listPhotos() {
  const one = ++listed, photos = (await attempt(() => get("/photos"), "list")) ?? [];
  if (one !== listed) return;
  $("open-photos").hidden = photos.length < 2;
  const held = document.activeElement?.dataset.photo;
  $("photos").replaceChildren(...photos.map(thumb));
  if (held) document.querySelector(`[data-photo="${held}"]`)?.focus();
}

function thumb(photo) {
  const button = document.createElement("button"), image = document.createElement("img");
  button.dataset.photo = photo.id;
  button.setAttribute("aria-pressed", photo.id === state.photo?.id);
  button.setAttribute("aria-label", photo.name);
  button.title = photo.name;
  image.alt = "";
  picture(`/photos/${photo.id}/view?view=face&face=${photo.largest}`).then((shown) => { image.src = shown.url; }, () => {});
  button.append(image);
  button.onclick = () => reopen(photo.id);
  return button;
}

const reopen = (id) => attempt(async () => {
  const one = ++reopened, photo = await get(`/photos/${id}`);
  if (one === reopened) await begin(photo);
}, "open");

async function closePhoto() {
  const { id, name } = state.photo;
  if (!(await ask(text("askClose", { name }), text("closePhoto")))) return;
  await attempt(() => send("DELETE", `/photos/${id}`));
  if (state.photo?.id !== id) { tell("closed", id); listPhotos(); return; }  // another was opened meanwhile
  if (state.job) { cancelJob(); endJob(); }
  state.photo = null;
  sessionStorage.removeItem("photo");
  tell("closed", id);
  $("work").hidden = true;
  $("start").hidden = false;
  $("choose").focus();
  await restore();  // another one that is open
}

// After a reload, what was open in this tab is there again.
export async function restore() {
  const photos = (await attempt(() => get("/photos"), "list")) ?? [];
  const own = photos.find((photo) => photo.id === sessionStorage.getItem("photo")) ?? photos.at(-1);
  if (own && !state.photo) await begin(own);  // one may be opened meanwhile
}

export function startOpening() {
  $("choose").onclick = $("other").onclick = () => $("file").click();
  $("file").onchange = () => { openFile($("file").files[0]); $("file").value = ""; };
  $("close-photo").onclick = closePhoto;
  for (const button of document.querySelectorAll(".example")) {
    button.onclick = () => attempt(async () => {
      const response = await fetch(button.dataset.file);
      await openFile(await response.blob(), button.dataset.file.split("/").at(-1));
    }, "open");
  }
  on("language", () => { if (state.about) $("privacy").textContent = state.about.local ? text("privateLocal") : text("privateServer", { minutes: 2 }); });
}
