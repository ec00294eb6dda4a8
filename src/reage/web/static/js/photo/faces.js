// Who is in the edit: chosen, taken out, or marked by hand where the detector saw nobody.
import { send } from "../api.js";
import { attempt } from "../notice.js";
import { $, chosen, here, on, state, tell } from "../state.js";
import { text } from "../texts.js";
import { photoPoint } from "./closeup.js";
import { firstAge, remember } from "./history.js";
import { adopt } from "./learning.js";
import { forgetLooks } from "./looks.js";

const POINTS = ["leftEye", "rightEye", "noseTip", "leftMouth", "rightMouth"];
let points = [], corner = null;

function draw() {
  if (!state.photo) return;
  const { faces } = state.photo, held = document.activeElement?.dataset.face;
  $("faces-text").textContent = faces.length === 1 ? text("found1") : text("foundN", { n: faces.length });
  const several = faces.length > 1;
  $("faces").replaceChildren(...(several ? faces.map(chip) : []));
  $("boxes").replaceChildren(...(several && !state.near ? faces.map(box) : []));
  if (held) document.querySelector(`[data-face="${held}"]`)?.focus();
}

function chip(face) {
  const button = document.createElement("button");
  button.textContent = text("faceAge", { n: face.number, age: Math.round(face.age) });
  button.dataset.face = `chip-${face.number}`;
  button.setAttribute("aria-pressed", face.chosen);
  button.onclick = () => toggle(face);
  return button;
}

function box(face) {
  const { width, height } = state.photo, [x0, y0, x1, y1] = face.box;
  const button = document.createElement("button"), label = document.createElement("span");
  Object.assign(button.style, { left: `${(100 * x0) / width}%`, top: `${(100 * y0) / height}%`,
    width: `${(100 * (x1 - x0)) / width}%`, height: `${(100 * (y1 - y0)) / height}%` });
  label.textContent = face.number;
  button.dataset.face = `box-${face.number}`;
  button.setAttribute("aria-pressed", face.chosen);
  button.setAttribute("aria-label", text("faceAge", { n: face.number, age: Math.round(face.age) }));
  button.append(label);
  button.onclick = () => (face.chosen ? look(face) : toggle(face));
  return button;
}

// The face that the slider and a close view belong to.
function look(face) {
  state.focus = face.number;
  $(`age-${face.number}`)?.focus();
  tell("focus");
}

async function toggle(face) {
  const others = chosen().filter((one) => one.number !== face.number).map((one) => one.number);
  const faces = face.chosen ? others : [...others, face.number];
  if (!faces.length) { look(face); return; }  // somebody is in the edit
  if (!adopt(await attempt(() => send("PUT", here("/faces"), { faces }), "faces"))) return;
  state.focus = face.chosen ? faces[0] : face.number;
  changed(face.chosen ? null : face);
}

// Who is new in the edit is shown older at once.
function changed(face) {
  forgetLooks();  // a picture of the made faces alone shows all that are chosen
  if (face) state.edits.ages[face.number] ??= firstAge(face.age);
  remember();
  tell("faces");
}

// ---- a face that was not found: a box is dragged, or five points are clicked

function startMarking(how) {
  if (state.near) $("zoom").click();
  state.marking = how;
  points = [];
  corner = null;
  $("marking").hidden = false;
  $("stage").classList.add("marking");
  sayNext();
  $("marking-cancel").focus();
}

function endMarking() {
  state.marking = "";
  $("marking").hidden = $("rubber").hidden = true;
  $("stage").classList.remove("marking");
  $("mark-box").focus();
}

const sayNext = () => { $("marking-text").textContent = state.marking === "box" ? text("markBoxHint") : text("markPointHint", { what: text(POINTS[points.length]) }); };

async function mark(asked) {
  endMarking();
  const photo = await attempt(() => send("POST", here("/faces"), asked), "faces");
  if (!adopt(photo)) return;
  const face = photo.faces.at(-1);
  state.focus = face.number;
  changed(face);
}

function listenMarking() {
  const stage = $("stage");
  stage.addEventListener("pointerdown", (event) => {
    if (!state.marking) return;
    event.preventDefault();
    if (state.marking === "points") {
      points.push(photoPoint(event));
      if (points.length === 5) mark({ points }); else sayNext();
      return;
    }
    corner = event;
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!corner) return;
    const frame = stage.getBoundingClientRect();
    Object.assign($("rubber").style, { left: `${Math.min(corner.clientX, event.clientX) - frame.left}px`, top: `${Math.min(corner.clientY, event.clientY) - frame.top}px`,
      width: `${Math.abs(event.clientX - corner.clientX)}px`, height: `${Math.abs(event.clientY - corner.clientY)}px` });
    $("rubber").hidden = false;
  });
  stage.addEventListener("pointerup", (event) => {
    if (!corner) return;
    const [x0, y0] = photoPoint(corner), [x1, y1] = photoPoint(event);
    corner = null;
    mark({ box: [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)] });
  });
}

export function startFaces() {
  on("photo adopted near language", draw);
  $("mark-box").onclick = () => startMarking("box");
  $("mark-points").onclick = () => startMarking("points");
  $("marking-cancel").onclick = endMarking;
  listenMarking();
}
