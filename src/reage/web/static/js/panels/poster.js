// The poster for the search for a missing person, of the photo under "Photo".
import { download, get, send } from "../api.js";
import { attempt } from "../notice.js";
import { isTooLarge } from "../photo/opening.js";
import { holding, progressIn, shareOf } from "../progress.js";
import { $, focused, on, percent, state } from "../state.js";
import { languageCode, nameOf, text, translated } from "../texts.js";

const INPUTS = { date: "text", age: "number", url: "url", file: "file" };
const CHOICES = { language: nameOf, paper: (one) => one[0].toUpperCase() + one.slice(1) };
const LARGEST_LOGO = 700 * 1024;  // bytes: with the other fields in one request
let fields = [], drawn = 0, line = null;  // how far it is

function input(field) {
  const label = document.createElement("label"), words = document.createElement("span");
  const many = ["lines", "list"].includes(field.kind), choice = field.kind === "choice";
  const entry = document.createElement(many ? "textarea" : choice ? "select" : "input");
  words.textContent = field.label;
  entry.id = `poster-${field.name}`;
  entry.dir = "auto";  // a telephone number runs from left to right on an Arabic page too
  if (languageCode() === "en") entry.title = field.help;  // which is English
  if (choice) entry.append(...field.choices.map((one) => new Option(CHOICES[field.name]?.(one) ?? one, one)));
  else if (!many) entry.type = INPUTS[field.kind] ?? "text";
  if (field.kind === "date") { entry.placeholder = "2015-03-17"; entry.title = "2015, 2015-03, 2015-03-17"; entry.pattern = "\\d{4}(-\\d{1,2}(-\\d{1,2})?)?"; }
  if (field.kind === "list") entry.placeholder = text("onePerLine");
  if (field.kind === "file") { entry.accept = "image/*,.tif,.tiff,.heic,.avif"; entry.onchange = () => { if (entry.files[0] && isTooLarge(entry.files[0], LARGEST_LOGO)) entry.value = ""; }; }
  if (field.most && !many) entry.maxLength = field.most;
  label.append(words, entry);
  return label;
}

async function draw() {
  const one = ++drawn, found = (await attempt(() => get(`/poster/fields?language=${languageCode()}`), "poster")) ?? [];
  if (one !== drawn) return;  // in another language since
  const old = Object.fromEntries(fields.map((field) => [field.name, $(`poster-${field.name}`)]));
  fields = found;
  $("poster-fields").replaceChildren(...fields.map(input));
  const own = $("poster-language");
  if (own && [...own.options].some((one) => one.value === languageCode())) own.value = languageCode();
  for (const [name, entry] of Object.entries(old)) {
    const now = $(`poster-${name}`);
    if (!now || name === "language") continue;
    if (entry.type === "file") now.files = entry.files; else if (entry.value) now.value = entry.value;
  }
}

// A file's bytes in base64, as JSON can hold them.
async function encoded(file) {
  if (!file) return "";
  const bytes = new Uint8Array(await file.arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

async function filled() {
  return Object.fromEntries(await Promise.all(fields.map(async ({ name, kind }) => {
    if (kind === "file") return [name, await encoded($(`poster-${name}`).files[0])];
    const value = $(`poster-${name}`).value.trim();
    if (kind === "list") return [name, value.split("\n").map((line) => line.trim()).filter(Boolean)];
    return [name, kind === "age" && value ? Number(value) : value];
  })));
}

async function make() {
  const photo = state.photo.id, isOld = () => state.photo?.id !== photo;
  $("poster-save").hidden = true;
  try {
    const job = await send("POST", `/photos/${photo}/poster?face=${focused().number}`, await filled());
    const last = await line.watch(job, (now) => text("working2", { percent: percent(shareOf(now)) }), (now) => {
      if (now.picture && !isOld()) { $("poster-page").src = now.picture; $("poster-page").hidden = false; }
    });
    if (isOld()) line.say("");
    else if (last) {
      line.say(text("done"));
      $("poster-save").hidden = false;
      $("poster-save").onclick = () => attempt(() => download(`/jobs/${last.id}/file`), "poster");
    }
  } catch (error) { line.say(isOld() ? "" : translated(error.message)); }
}

// Of somebody who is no longer the one under “Photo”, nothing stands here.
function clear() {
  $("poster-page").hidden = $("poster-save").hidden = true;
  if (!line.isBusy()) line.say("");
}

export function startPoster() {
  line = progressIn($("poster-state"));
  let isDrawn = false;
  on("panel", (name) => {
    if (name !== "poster") return;
    if (!isDrawn) draw();
    isDrawn = true;
    if (!line.isBusy() && !state.photo) line.say(text("mixNeeds"));
  });
  on("language", () => isDrawn && draw());
  on("photo closed", clear);
  $("poster-form").onsubmit = (event) => {
    event.preventDefault();
    if (state.photo) holding([$("poster-make")], make); else line.say(text("mixNeeds"));
  };
}
