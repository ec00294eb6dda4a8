// A card for each long job of the panels: how far it is, cancel, what came of it.
import { follow, send, upload } from "../api.js";
import { attempt } from "../notice.js";
import { waitingText } from "../photo/learning.js";
import { isTooLarge } from "../photo/opening.js";
import { $, percent, state } from "../state.js";
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
  box.innerHTML = '<strong></strong><span role="status"></span><progress max="1" value="0"></progress><ul class="quiet notes" hidden></ul><div class="result"></div><div class="row"></div>';
  box.querySelector("strong").textContent = title;
  $(place).prepend(box);
  return {
    result: box.querySelector(".result"),
    say: (line, share) => { box.querySelector("span").textContent = line; if (share !== undefined) box.querySelector("progress").value = share; },
    notes: (lines) => {
      box.querySelector(".notes").hidden = !lines.length;
      box.querySelector(".notes").replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: translated(line) })));
    },
    buttons: (...all) => box.querySelector(".row").replaceChildren(...all),
  };
}

// Upload a file for a job and follow it; `onDone` shows in the card what came of it.
export async function submit(place, file, path, onDone) {
  if (!file || isTooLarge(file, state.about?.max_file)) return;
  const shown = card(place, file.name);
  try {
    const job = await upload(path, file, (share) => shown.say(text("uploading", { percent: percent(share) }), share));
    shown.buttons(labelled(text("cancel"), () => attempt(() => send("DELETE", `/jobs/${job.id}`))));
    const last = await follow(job.id, (now) => {
      const left = now.seconds_left === null ? "" : ` · ${text("left", { s: Math.ceil(now.seconds_left) })}`;
      shown.say(waitingText(now, text("running", { ...now, stage: stageText(now.stage) }) + left), now.total ? now.done / now.total : 0);
    });
    shown.buttons();
    if (last.state === "failed") throw new Error(last.error);
    if (last.state === "cancelled") { shown.say(text("cancelled"), 0); return; }
    shown.say(text("done"), 1);
    shown.notes(last.result.notices ?? []);
    await onDone(last, shown);
  } catch (error) {
    shown.buttons();
    shown.say(text("failed", { error: translated(error.message) }), 0);
  }
}
