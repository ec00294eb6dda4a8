// A card for each long job of the panels: how far it is, cancel, what came of it.
import { get } from "../api.js";
import { attempt } from "../notice.js";
import { isTooLarge } from "../photo/opening.js";
import { leftText, progressIn } from "../progress.js";
import { $, state } from "../state.js";
import { stageText, text, translated } from "../texts.js";

export function labelled(label, action) {
  const button = document.createElement("button");
  button.textContent = label;
  button.onclick = action;
  return button;
}

function card(place, title) {
  const box = document.createElement("div");
  box.className = "card job";
  box.innerHTML = '<strong></strong><div class="how-far"></div><ul class="quiet notes" hidden></ul><div class="result"></div><div class="row"></div>';
  box.querySelector("strong").textContent = title;
  $(place).prepend(box);
  return {
    line: progressIn(box.querySelector(".how-far")),
    result: box.querySelector(".result"),
    notes: (lines) => {
      box.querySelector(".notes").hidden = !lines.length;
      box.querySelector(".notes").replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: translated(line) })));
    },
    buttons: (...all) => box.querySelector(".row").replaceChildren(...all),
  };
}

// Follow a job in a card; `onDone` shows there what came of it.
async function watch(shown, job, onDone) {
  const last = await shown.line.watch(job, (now) => text("running", { ...now, stage: stageText(now.stage) }) + leftText(now));
  if (!last) return;
  shown.line.say(text("done"));
  shown.notes(last.result.notices ?? []);
  await onDone(last, shown);
}

async function inCard(place, title, work) {
  const shown = card(place, title);
  try { await work(shown); } catch (error) { shown.line.say(text("failed", { error: translated(error.message) })); }
}

// Upload a file for a job and follow it.
export async function submit(place, file, path, onDone) {
  if (!file || isTooLarge(file, state.about?.max_file)) return;
  await inCard(place, file.name, async (shown) => {
    const job = await shown.line.submit(path, file);
    if (job) await watch(shown, job, onDone);
  });
}

// After a reload, jobs of a kind are there again.
export async function resume(place, kind, onDone) {
  const jobs = (await attempt(() => get("/jobs"), "list")) ?? [];
  for (const job of jobs.filter((one) => one.kind === kind && one.state !== "cancelled")) {
    inCard(place, job.result.name, (shown) => watch(shown, job, onDone));
  }
}
