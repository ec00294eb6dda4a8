// Learning faces (inversion): only what needs their codes waits for it.
import { follow, send } from "../api.js";
import { attempt } from "../notice.js";
import { leftText, shareOf, waitingText } from "../progress.js";
import { $, chosen, percent, state, tell } from "../state.js";
import { text } from "../texts.js";
import { revoke } from "./history.js";

// The faces without a code that the edit needs; most edits need none.
const unlearnt = () => (state.edits.direction || state.photo.inverting.includes(state.edits.paste) ? chosen().filter((face) => !face.inverted) : []);

// `watch` follows the job. Returns the photo as it is then; null where it was cancelled.
export async function invert(photo, faces, paste, watch) {
  const asked = { faces: faces.map((face) => face.number), quality: $("quality").value, seed: Number($("seed").value) || 0, paste };
  const last = await watch(await send("POST", `/photos/${photo.id}/invert`, asked));
  if (last?.state === "failed") throw new Error(last.error);
  return last?.state === "done" ? last.result.photo : null;
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
  const show = (job) => state.photo?.id === photo.id && showProgress(job);
  const learnt = await attempt(() => invert(photo, faces, paste, (started) => { show(started); return follow(started.id, show); }), "learn");
  if (state.photo?.id === photo.id) endJob();
  return adopt(learnt);
}

export function endJob() {
  state.job = null;
  const held = $("busy").contains(document.activeElement);
  $("busy").hidden = true;
  if (held) document.querySelector("#sliders input[type=range]")?.focus();
}

export const cancelJob = () => state.job && attempt(async () => {
  const told = await send("DELETE", `/jobs/${state.job.id}`);
  if (state.job?.id === told.id) showProgress(told);
});

// Learn what the edit needs, and say whether it can be shown. Whoever cancels gets the edit without.
export async function ready() {
  const faces = unlearnt(), photo = state.photo;
  if (!faces.length || (await learn(faces))) return true;
  if (state.photo?.id !== photo.id) return false;
  revoke({ direction: "", paste: "delta" });
  tell("edits");  // the sliders and the picture of what stays
  return !unlearnt().length;
}

function showProgress(job) {
  state.job = job;
  const share = shareOf(job);
  $("busy-bar").value = share;
  $("busy-text").textContent = waitingText(job, job.stage === "curves" ? text("curves") : text("working", { percent: percent(share) }) + leftText(job));
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
