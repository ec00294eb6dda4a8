// Learning faces (inversion): only what needs their codes waits for it.
import { follow, send } from "../api.js";
import { attempt } from "../notice.js";
import { $, chosen, percent, state, tell } from "../state.js";
import { text } from "../texts.js";
import { revoke } from "./history.js";

// The faces without a code that the edit needs; most edits need none.
const unlearnt = () => (state.edits.direction || state.photo.inverting.includes(state.edits.paste) ? chosen().filter((face) => !face.inverted) : []);

// Returns the photo as it is then; null where it was cancelled.
export async function invert(photo, faces, paste, onChange) {
  const asked = { faces: faces.map((face) => face.number), quality: $("quality").value, seed: Number($("seed").value) || 0, paste };
  const started = await send("POST", `/photos/${photo.id}/invert`, asked);
  onChange(started);
  const last = await follow(started.id, onChange);
  if (last.state === "failed") throw new Error(last.error);
  return last.state === "done" ? last.result.photo : null;
}

// What the server says of a photo now; edits stay.
export function adopt(photo) {
  if (!photo || photo.id !== state.photo?.id) return false;
  state.photo = photo;
  tell("adopted");
  return true;
}

export async function learn(faces) {
  const photo = state.photo, paste = state.edits.direction ? null : state.edits.paste;
  $("busy").hidden = false;
  $("progress-picture").removeAttribute("src");
  const learnt = await attempt(() => invert(photo, faces, paste, (job) => state.photo?.id === photo.id && showProgress(job)), "learn");
  if (state.photo?.id === photo.id) endJob();
  return adopt(learnt);
}

export function endJob() {
  state.job = null;
  const held = $("busy").contains(document.activeElement);
  $("busy").hidden = true;
  if (held) document.querySelector("#sliders input[type=range]")?.focus();
}

export const cancelJob = () => state.job && attempt(() => send("DELETE", `/jobs/${state.job.id}`));

// Learn what the edit needs, and say whether it can be shown. Whoever cancels gets the edit without.
export async function ready() {
  const faces = unlearnt(), photo = state.photo;
  if (!faces.length || (await learn(faces))) return true;
  if (state.photo?.id !== photo.id) return false;
  revoke({ direction: "", paste: "delta" });
  tell("edits");  // the sliders and the picture of what stays
  return !unlearnt().length;
}

export const waitingText = (job, otherwise) => (job.state === "waiting" ? text("waiting", { n: job.place }) : otherwise);

function showProgress(job) {
  state.job = job;
  const share = job.total ? job.done / job.total : 0;
  $("busy-bar").value = share;
  const left = job.seconds_left === null ? "" : ` ${text("left", { s: Math.ceil(job.seconds_left) })}`;
  $("busy-text").textContent = waitingText(job, job.stage === "curves" ? text("curves") : text("working", { percent: percent(share) }) + left);
  if (job.picture) $("progress-picture").src = job.picture;
  $("psnr").textContent = job.psnr === null || !$("lab").open ? "" : text("quality2", { psnr: job.psnr.toFixed(1) });
  const losses = job.losses, high = Math.max(...losses), low = Math.min(...losses);
  $("losses").firstElementChild.setAttribute("points", losses.map((loss, i) =>
    `${(200 * i) / Math.max(losses.length - 1, 1)},${48 - (46 * (loss - low)) / (high - low || 1)}`).join(" "));
}

export function startLearning() {
  $("stop").onclick = () => state.job && attempt(() => send("POST", `/jobs/${state.job.id}/stop`));
  $("cancel").onclick = cancelJob;
}
