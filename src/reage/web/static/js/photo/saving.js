// What leaves the page: the photo at full size, rows, collages, animations, to save, share or copy.
import { download, fetched, follow, send } from "../api.js";
import { attempt } from "../notice.js";
import { $, focused, here, isChanged, lookOf, on, percent, state } from "../state.js";
import { text } from "../texts.js";
import { waitingText } from "./learning.js";
import { rowAges } from "./row.js";
import { rested, view, viewQuery } from "./stage.js";

let job = null;

const words = (looks = text("pictureLooks")) => `&photo=${encodeURIComponent(text("picturePhoto"))}&looks=${encodeURIComponent(looks)}`;
const row = () => rowAges.map((age) => `to=${age}`).join("&");
const photoPath = (suffix = $("format").value) => here(`/download?${lookOf()}&suffix=${suffix}${viewQuery()}`);
const FILES = {
  "get-photo": () => photoPath(),
  "get-strip": () => here(`/strip?${lookOf()}&${row()}&face=${focused().number}${words()}`),
  "get-pair": () => here(`/collage?${lookOf()}&layout=pair&view=${view()}&face=${focused().number}${words()}`),
  "get-grid": () => here(`/collage?${lookOf()}&layout=grid&${row()}&face=${focused().number}${words()}`),
};

// Say beside the button what goes on, and hold the button meanwhile.
async function whileBusy(button, work, done = text("saved")) {
  button.disabled = true;
  say(text("making"));
  const made = await attempt(async () => { await work(); return true; }, "save");
  const held = document.activeElement === document.body;
  button.disabled = false;
  if (held) button.focus();
  say(made ? done : "");
  draw();
}

function say(line, share) {
  $("saving").hidden = !line;
  $("saving-text").textContent = line;
  $("saving-bar").hidden = share === undefined;
  $("saving-bar").value = share ?? 0;
  $("saving-cancel").hidden = !job;
}

async function makeMoving(suffix) {
  try {
    job = await send("POST", here(`/animation?first=5&last=80&suffix=${suffix}&${lookOf()}${words(state.edits.direction ? `${text("strength")} {age}` : undefined)}`));
    const last = await follow(job.id, (state) => {
      const share = state.total ? state.done / state.total : 0;
      say(waitingText(state, text("frames", { percent: percent(share) })), share);
    });
    if (last.state !== "done") throw new Error(last.error ?? text("cancelled"));
    await download(`/jobs/${last.id}/file`);
  } finally { job = null; }
}

async function shownFile(suffix) {
  await rested();
  return fetched(photoPath(suffix));
}

async function share() {
  const file = await shownFile(".jpg");
  await navigator.share({ files: [file], title: "reage", text: text("shareText") }).catch((error) => { if (error.name !== "AbortError") throw error; });
}

// Browsers take PNG only, and write it anew: the mark stays in the files that are saved or shared.
const copy = () => navigator.clipboard.write([new ClipboardItem({ "image/png": shownFile(".png") })]);

function draw() {
  if (!state.photo) return;
  // Where nothing is changed yet, there is no picture of ours to save.
  const nothing = !isChanged() && state.edits.paste !== "none";
  for (const id of ["get-photo", "get-pair", "share", "copy"]) $(id).disabled = nothing;
  $("get-pair").disabled = $("get-grid").disabled = nothing || Boolean(state.edits.direction);
}

const canShare = () => Boolean(navigator.canShare?.({ files: [new File(["x"], "x.jpg", { type: "image/jpeg" })] }));

export function startSaving() {
  for (const [id, path] of Object.entries(FILES)) $(id).onclick = () => whileBusy($(id), async () => { await rested(); await download(path()); });
  for (const button of document.querySelectorAll(".get-moving")) {
    button.onclick = () => whileBusy(button, () => makeMoving(button.dataset.suffix));
  }
  $("saving-cancel").onclick = () => job && attempt(() => send("DELETE", `/jobs/${job.id}`));
  $("share").hidden = !canShare();
  $("share").onclick = () => whileBusy($("share"), share, "");  // the system says what came of it
  $("copy").hidden = !(navigator.clipboard?.write && window.ClipboardItem);
  $("copy").onclick = () => whileBusy($("copy"), copy, text("copied"));
  on("photo history edits faces", () => { draw(); if (!job) say(""); });
}
