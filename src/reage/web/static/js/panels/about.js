// What this is, the model's card, and the way to delete everything.
import { send } from "../api.js";
import { attempt, notify } from "../notice.js";
import { $, on, state } from "../state.js";
import { text } from "../texts.js";

function draw() {
  if (!state.about) return;
  $("about-model").textContent = text("modelLine", state.about);
  $("about-card").textContent = state.about.card;
}

export function startAbout() {
  draw();
  on("language", draw);
  $("forget").onclick = () => attempt(async () => {
    await send("DELETE", "/session");
    sessionStorage.removeItem("photo");
    notify(text("forgotten"));
    setTimeout(() => location.reload(), 1200);
  });
}
