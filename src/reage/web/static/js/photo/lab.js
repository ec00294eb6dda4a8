// For researchers: ways of pasting, care, seeds, and other directions than age.
import { get, send } from "../api.js";
import { attempt } from "../notice.js";
import { $, chosen, here, on, state, tell } from "../state.js";
import { remember } from "./history.js";
import { adopt, learn } from "./learning.js";
import { forgetLooks } from "./looks.js";
import { redrawRow } from "./row.js";
import { wantShow } from "./stage.js";

function draw() {
  if (!state.photo) return;
  $("paste").value = state.edits.paste;
  $("direction").value = state.edits.direction;
  $("strength").value = state.edits.strength;
  $("strength-value").textContent = state.edits.strength;
  $("again").hidden = !chosen().some((face) => face.inverted);
}

function again() {
  forgetLooks();
  redrawRow();
  wantShow();
}

export async function startLab() {
  on("photo history adopted edits", draw);
  $("paste").onchange = () => { state.edits.paste = $("paste").value; remember(); wantShow(); };
  $("again").onclick = async () => { if (!state.job && (await learn(chosen()))) again(); };
  $("quality").onchange = async () => {
    if (!state.photo || state.photo.inverting.length) return;  // there it is the inversion's
    const faces = chosen().map((face) => face.number);
    if (adopt(await attempt(() => send("PUT", here("/faces"), { faces, quality: $("quality").value })))) again();
  };
  $("direction").onchange = $("strength").oninput = () => {
    if (!state.photo) return;
    state.edits.direction = $("direction").value;
    state.edits.strength = Number($("strength").value);
    $("strength-value").textContent = state.edits.strength;
    wantShow({ dragging: true });
  };
  $("strength").onchange = () => { remember(); wantShow(); };
  const directions = (await attempt(() => get("/directions"))) ?? [];
  $("direction").replaceChildren(new Option("–", ""), ...directions.map((one) => new Option(one.name, one.name)));
  $("directions-card").hidden = !directions.length;
  if (state.photo) tell("history");
}
