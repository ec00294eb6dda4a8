// One person with levels of another's code.
import { download, picture, upload } from "../api.js";
import { ask, attempt } from "../notice.js";
import { adopt, invert, waitingText } from "../photo/learning.js";
import { $, on, percent, state } from "../state.js";
import { text } from "../texts.js";

let other = null, mixing = false, wanted = false, mixedOf = "";  // the photo of the result

function showFirst() {
  if (mixedOf !== state.photo?.id) clear();
  $("mix-choose").disabled = !state.photo;
  $("mix-busy").textContent = state.photo ? "" : text("mixNeeds");
  if (state.photo) mix();
}

function clear() {
  mixedOf = "";
  $("mix-result").removeAttribute("src");
  $("mix-save").hidden = true;
}

// Either of the two may be closed under “Photo”.
function forget(id) {
  if (id === other?.id) { other = null; $("mix-other").removeAttribute("src"); clear(); }
}

export async function openDroppedOther([file]) {
  if (other && !(await ask(text("askReplaceFile", { name: other.name }), text("openIt")))) return;
  await openOther(file);
}

async function openOther(file) {
  if (!file || !state.photo) { $("mix-busy").textContent = state.photo ? "" : text("mixNeeds"); return; }
  $("mix-busy").textContent = text("opening");
  await attempt(async () => {
    const photo = await upload(`/photos?name=${encodeURIComponent(file.name || "photo")}`, file);
    $("mix-other").src = (await picture(`/photos/${photo.id}/view?view=face&face=${photo.largest}`)).url;
    other = photo;
  }, "mix");
  await mix();
}

// The photo with the code of its first face, which is looked for where it is not known yet.
async function learnt(photo) {
  const face = photo.faces.find((one) => one.chosen);
  if (face.inverted) return photo;
  const found = await invert(photo, [face], null, (job) => {
    $("mix-busy").textContent = waitingText(job, text("working", { percent: percent(job.total ? job.done / job.total : 0) }));
  });
  if (!found) throw new Error(text("cancelled"));
  return found;
}

function mixed(what) {
  const shares = ["coarse", "middle", "fine"].map((id) => `${id}=${$(id).value / 100}`).join("&");
  return `/photos/${state.photo.id}/${what}?other=${other.id}&${shares}`;
}

async function mix() {
  if (!state.photo) return;
  wanted = true;
  if (mixing) return;
  mixing = true;
  while (wanted) {
    wanted = false;
    await attempt(async () => {
      const first = state.photo, second = other;
      if (second) { adopt(await learnt(first)); const found = await learnt(second); if (other?.id === second.id) other = found; }
      const isOld = () => state.photo?.id !== first.id || other?.id !== second?.id;
      if (isOld()) return;  // whoever opened another asks again
      $("mix-busy").textContent = text("making");
      const shown = await picture(other ? `${mixed("mixed")}&view=face` : `/photos/${first.id}/view?view=face`);
      if (isOld()) return;
      mixedOf = first.id;
      $("mix-result").src = shown.url;
      $("mix-save").hidden = !other;
    }, "mix");
    $("mix-busy").textContent = "";
  }
  mixing = false;
}

export function startMix() {
  on("panel", (name) => name === "mix" && showFirst());
  on("closed", forget);
  $("mix-choose").onclick = () => $("mix-file").click();
  $("mix-file").onchange = () => { openOther($("mix-file").files[0]); $("mix-file").value = ""; };
  $("mix-save").onclick = () => attempt(() => download(`${mixed("mixed/download")}&suffix=${$("format").value}`), "mix");
  for (const slider of document.querySelectorAll(".level")) slider.oninput = mix;
}
