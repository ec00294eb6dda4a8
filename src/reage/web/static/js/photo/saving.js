// What leaves the page: the photo at full size, rows, collages, animations, to save, share or copy.
import { download, fetched, send } from "../api.js";
import { attempt } from "../notice.js";
import { holding, progressIn, shareOf } from "../progress.js";
import { $, focused, here, isChanged, lookOf, on, percent, state } from "../state.js";
import { text } from "../texts.js";
import { rowAges } from "./row.js";
import { rested, view, viewQuery } from "./stage.js";

let line = null;  // how far it is

const words = (looks = text("pictureLooks")) => `&photo=${encodeURIComponent(text("picturePhoto"))}&looks=${encodeURIComponent(looks)}`;
const row = () => rowAges.map((age) => `to=${age}`).join("&");
const photoPath = (suffix = $("format").value) => here(`/download?${lookOf()}&suffix=${suffix}${viewQuery()}`);
const FILES = {
  "get-photo": () => photoPath(),
  "get-strip": () => here(`/strip?${lookOf()}&${row()}&face=${focused().number}${words()}`),
  "get-pair": () => here(`/collage?${lookOf()}&layout=pair&view=${view()}&face=${focused().number}${words()}`),
  "get-grid": () => here(`/collage?${lookOf()}&layout=grid&${row()}&face=${focused().number}${words()}`),
};

// Say beside the buttons what goes on, and hold them meanwhile.
async function whileBusy(buttons, work, done = text("saved")) {
  await holding(buttons, async () => {
    line.say(text("making"));
    const made = await attempt(async () => (await work()) !== false, "save");
    if (made !== false) line.say(made ? done : "");  // what was cancelled is said already
  });
  draw();
}

async function makeMoving(suffix) {
  const job = await send("POST", here(`/animation?first=5&last=80&suffix=${suffix}&${lookOf()}${words(state.edits.direction ? `${text("strength")} {age}` : undefined)}`));
  const last = await line.watch(job, (now) => text("frames", { percent: percent(shareOf(now)) }));
  return last ? download(`/jobs/${last.id}/file`) : false;
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
  line = progressIn($("saving"));
  for (const [id, path] of Object.entries(FILES)) $(id).onclick = () => whileBusy([$(id)], async () => { await rested(); await download(path()); });
  const moving = [...document.querySelectorAll(".get-moving")];
  for (const button of moving) button.onclick = () => whileBusy(moving, () => makeMoving(button.dataset.suffix));
  $("share").hidden = !canShare();
  $("share").onclick = () => whileBusy([$("share")], share, "");  // the system says what came of it
  $("copy").hidden = !(navigator.clipboard?.write && window.ClipboardItem);
  $("copy").onclick = () => whileBusy([$("copy")], copy, text("copied"));
  on("photo history edits faces", () => { draw(); if (!line.isBusy()) line.say(""); });
}
