// One person with levels of another's code.
import { download, picture } from "../api.js";
import { ask, attempt } from "../notice.js";
import { adopt, invert } from "../photo/learning.js";
import { holding, progressIn, shareOf } from "../progress.js";
import { $, on, percent, state } from "../state.js";
import { text } from "../texts.js";

let other = null, mixing = false, wanted = false, mixedOf = "", line = null;  // the photo of the result; how far it is

function showFirst() {
  if (mixedOf !== state.photo?.id) clear();
  allow();
  rest();
  if (state.photo) mix();
}

// What is said while nothing goes on.
function rest() {
  if (!line.isBusy()) line.say(state.photo ? "" : text("mixNeeds"));
}

function allow() {
  $("mix-choose").disabled = !state.photo;
  for (const slider of document.querySelectorAll(".level")) slider.disabled = !state.photo || !other;
}

function clear() {
  mixedOf = "";
  $("mix-result").removeAttribute("src");
  $("mix-save").hidden = true;
}

// Either of the two may be closed under “Photo”.
function forget(id) {
  if (id === other?.id) { other = null; $("mix-other").removeAttribute("src"); clear(); }
  if (id === mixedOf) clear();
  allow();
  rest();
}

export async function openDroppedOther([file]) {
  if (other && !(await ask(text("askReplaceFile", { name: other.name }), text("openIt")))) return;
  await openOther(file);
}

async function openOther(file) {
  if (!file || !state.photo) { rest(); return; }
  const isOpen = await attempt(async () => {
    const photo = await line.submit(`/photos?name=${encodeURIComponent(file.name || "photo")}`, file);
    if (!photo) return false;
    $("mix-other").src = (await picture(`/photos/${photo.id}/view?view=face&face=${photo.largest}`)).url;
    other = photo;
    allow();
    return true;
  }, "mix");
  if (isOpen) await mix(); else if (isOpen === null) line.say("");  // what was cancelled is said already
}

// The photo with the code of its first face, which is looked for where it is not known yet; null where that was cancelled.
async function learnt(photo) {
  const face = photo.faces.find((one) => one.chosen);
  if (face.inverted) return photo;
  return invert(photo, [face], null, (job) => line.watch(job, (now) => text("working", { percent: percent(shareOf(now)) })));
}

// Both with their codes; false where that was cancelled.
async function learnBoth(first, second) {
  if (!adopt(await learnt(first)) && state.photo?.id === first.id) return false;
  const found = await learnt(second);
  if (found && other?.id === second.id) other = found;
  return Boolean(found);
}

function mixed(what) {
  const shares = ["coarse", "middle", "fine"].map((id) => `${id}=${$(id).value / 100}`).join("&");
  return `/photos/${state.photo.id}/${what}?other=${other.id}&${shares}`;
}

async function mixOnce() {
  const first = state.photo, second = other, isOld = () => state.photo?.id !== first.id || other?.id !== second?.id;
  if (second && !(await learnBoth(first, second))) { wanted = isOld(); return false; }
  if (isOld()) return true;  // whoever opened another asks again
  line.say(text("making"));
  const shown = await picture(second ? `${mixed("mixed")}&view=face` : `/photos/${first.id}/view?view=face`);
  if (isOld()) return true;
  mixedOf = first.id;
  $("mix-result").src = shown.url;
  $("mix-save").hidden = !second;
  return true;
}

async function mix() {
  if (!state.photo) return;
  wanted = true;
  if (mixing) return;
  mixing = true;
  while (wanted) {
    wanted = false;
    const isOver = await attempt(mixOnce, "mix");
    if (isOver !== false) rest();  // what was cancelled is said already
  }
  mixing = false;
}

async function saveMixed() {
  line.say(text("making"));
  const saved = await attempt(async () => { await download(`${mixed("mixed/download")}&suffix=${$("format").value}`); return true; }, "mix");
  line.say(saved ? text("saved") : "");
}

export function startMix() {
  line = progressIn($("mix-busy"));
  on("panel", (name) => name === "mix" && showFirst());
  on("closed", forget);
  $("mix-choose").onclick = () => $("mix-file").click();
  $("mix-file").onchange = () => { openOther($("mix-file").files[0]); $("mix-file").value = ""; };
  $("mix-save").onclick = () => holding([$("mix-save")], saveMixed);
  for (const slider of document.querySelectorAll(".level")) slider.oninput = mix;
}
