// An age for each face: a slider with marks, a field to type it, and steps from the own age.
import { $, chosen, on, state, tell } from "../state.js";
import { text } from "../texts.js";
import { remember } from "./history.js";
import { wantShow } from "./stage.js";

const LOW = 1, HIGH = 90;
const STEPS = [-20, -10, 0, 10, 20, 40];
const place = (age) => `${(100 * (Math.min(HIGH, Math.max(LOW, age)) - LOW)) / (HIGH - LOW)}%`;
const round = Math.round;

function setAge(face, age, dragging = false) {
  state.edits.ages[face.number] = age;
  state.edits.direction = "";
  state.focus = face.number;
  wantShow({ dragging });
}

function slider(face) {
  const box = document.createElement("div"), id = `age-${face.number}`, several = chosen().length > 1;
  box.className = "slider";
  box.innerHTML = `<div class="line"><label for="${id}"></label>
      <span class="typed"><input type="number" id="years-${face.number}" class="years" min="0" max="120" step="any" inputmode="decimal"><span class="unit"></span></span>
      <span class="read quiet"></span></div>
    <div class="track"><span class="reach"></span><span class="own"></span><input type="range" id="${id}" min="${LOW}" max="${HIGH}" step="1"></div>
    <p class="limit quiet" aria-live="polite"></p><div class="row steps"></div>`;
  box.querySelector("label").textContent = several ? text("ageOf", { n: face.number }) : text("age");
  box.querySelector(".unit").textContent = text("yearsUnit");
  const range = box.querySelector("[type=range]"), typed = box.querySelector(".years");
  typed.setAttribute("aria-label", text("typeAge"));
  range.oninput = () => { delete typed.dataset.typing; setAge(face, Number(range.value), true); };
  range.onchange = () => { remember(); wantShow(); };
  typed.oninput = () => { typed.setCustomValidity(""); typed.dataset.typing = "yes"; };
  range.onfocus = () => { if (state.focus !== face.number) { state.focus = face.number; tell("focus"); } };
  typed.onchange = () => {
    if (!typed.checkValidity() || !typed.value) {
      typed.setCustomValidity(text("ageHint"));
      typed.reportValidity();
      return;
    }
    delete typed.dataset.typing;
    setAge(face, Number(typed.value));
    remember();
  };
  box.querySelector(".steps").replaceChildren(...STEPS.map((step) => stepButton(face, step)));
  return box;
}

function stepButton(face, step) {
  const button = document.createElement("button"), age = round(face.age) + step;
  button.className = "step";
  button.textContent = step === 0 ? text("ownAge") : text(step < 0 ? "younger" : "older", { n: Math.abs(step) });
  button.disabled = age < 3 || age > HIGH;
  button.onclick = () => {
    if (step === 0) { delete state.edits.ages[face.number]; state.edits.direction = ""; wantShow(); } else setAge(face, age);
    remember();
  };
  return button;
}

function draw() {
  if (!state.photo) return;
  const held = document.activeElement?.id;
  $("sliders").replaceChildren(...chosen().map(slider));
  if (held?.startsWith("age-") || held?.startsWith("years-")) $(held)?.focus();
  drawReadings();
}

const looks = (face, key) => text(key, { age: round(face.age), give: round(face.spread) });

function drawReadings() {
  for (const face of chosen()) {
    const range = $(`age-${face.number}`), box = range?.closest(".slider");
    if (!box) continue;
    const asked = state.edits.ages[face.number], seen = state.readings[face.number];
    const isSeen = asked !== undefined && seen && seen.asked === asked && !seen.rough;
    range.value = round(asked ?? face.age);
    const typed = box.querySelector(".years");
    if (!typed.dataset.typing) typed.value = asked ?? round(face.age);  // pictures come meanwhile
    if (asked === undefined) box.querySelector(".read").textContent = looks(face, "photoLooks");
    else if (isSeen) box.querySelector(".read").textContent = looks(seen, "looks");
    else if (seen?.rough) box.querySelector(".read").textContent = "…";  // not read yet
    const out = isSeen && (asked < seen.reach[0] - 1 || asked > seen.reach[1] + 1);
    box.querySelector(".limit").textContent = out ? text("reachLimit", { low: round(seen.reach[0]), high: round(seen.reach[1]) }) : "";
    range.setAttribute("aria-valuetext", `${text("years", { age: range.value })}, ${box.querySelector(".read").textContent}`);
    drawMarks(box, face, seen);
  }
}

function drawMarks(box, face, seen) {
  const own = box.querySelector(".own"), reach = box.querySelector(".reach");
  own.style.insetInlineStart = place(face.age);
  own.title = looks(face, "photoLooks");
  reach.hidden = !seen;
  if (!seen) return;
  reach.style.insetInlineStart = place(seen.reach[0]);
  reach.style.width = `${parseFloat(place(seen.reach[1])) - parseFloat(place(seen.reach[0]))}%`;
  reach.title = text("reachMark", { low: round(seen.reach[0]), high: round(seen.reach[1]) });
}

export function startSliders() {
  on("photo faces language", draw);
  on("readings", drawReadings);
  on("edits", () => {
    for (const typed of document.querySelectorAll(".years")) { delete typed.dataset.typing; typed.setCustomValidity(""); }
    drawReadings();
  });
}
