// The poster for the search for a missing person, of the photo under "Photo".
import { download, follow, get, send } from "../api.js";
import { attempt } from "../notice.js";
import { waitingText } from "../photo/learning.js";
import { $, focused, on, percent, state } from "../state.js";
import { languageCode, text, translated } from "../texts.js";

const INPUTS = { date: "text", age: "number", url: "url" };
let fields = [];

function input(field) {
  const label = document.createElement("label"), words = document.createElement("span");
  const many = ["lines", "list"].includes(field.kind), choice = field.kind === "choice";
  const entry = document.createElement(many ? "textarea" : choice ? "select" : "input");
  words.textContent = field.label;
  entry.id = `poster-${field.name}`;
  entry.title = field.help;
  if (choice) entry.append(...field.choices.map((one) => new Option(one, one)));
  else if (!many) entry.type = INPUTS[field.kind] ?? "text";
  if (field.kind === "date") { entry.placeholder = "2015-03-17"; entry.pattern = "\\d{4}-\\d{1,2}(-\\d{1,2})?"; }
  if (field.kind === "list") entry.placeholder = text("onePerLine");
  if (field.most && !many) entry.maxLength = field.most;
  label.append(words, entry);
  return label;
}

async function draw() {
  const values = Object.fromEntries(fields.map((field) => [field.name, $(`poster-${field.name}`).value]));
  fields = (await attempt(() => get(`/poster/fields?language=${languageCode()}`), "poster")) ?? [];
  $("poster-fields").replaceChildren(...fields.map(input));
  const own = $("poster-language");
  if (own && [...own.options].some((one) => one.value === languageCode())) own.value = languageCode();
  for (const [name, value] of Object.entries(values)) if (value && name !== "language" && $(`poster-${name}`)) $(`poster-${name}`).value = value;
}

function filled() {
  return Object.fromEntries(fields.map(({ name, kind }) => {
    const value = $(`poster-${name}`).value.trim();
    if (kind === "list") return [name, value.split("\n").map((line) => line.trim()).filter(Boolean)];
    return [name, kind === "age" && value ? Number(value) : value];
  }));
}

async function make(event) {
  event.preventDefault();
  if (!state.photo) { $("poster-state").textContent = text("mixNeeds"); return; }
  const button = $("poster-make");
  button.disabled = true;
  $("poster-save").hidden = true;
  try {
    const job = await send("POST", `/photos/${state.photo.id}/poster?face=${focused().number}`, filled());
    const last = await follow(job.id, (now) => {
      $("poster-state").textContent = waitingText(now, text("working2", { percent: percent(now.total ? now.done / now.total : 0) }));
      if (now.picture) { $("poster-page").src = now.picture; $("poster-page").hidden = false; }
    });
    if (last.state !== "done") throw new Error(last.error ?? text("cancelled"));
    $("poster-state").textContent = text("done");
    $("poster-save").hidden = false;
    $("poster-save").onclick = () => attempt(() => download(`/jobs/${last.id}/file`), "poster");
  } catch (error) { $("poster-state").textContent = translated(error.message); }
  button.disabled = false;
}

export function startPoster() {
  let isDrawn = false;
  on("panel", (name) => {
    if (name !== "poster") return;
    if (!isDrawn) draw();
    isDrawn = true;
    $("poster-state").textContent = state.photo ? "" : text("mixNeeds");
  });
  on("language", () => isDrawn && draw());
  $("poster-form").onsubmit = make;
}
