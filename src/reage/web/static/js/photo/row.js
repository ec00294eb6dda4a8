// A row of the same person at ages that can be chosen; the shown one is marked.
import { attempt } from "../notice.js";
import { $, chosen, focused, on, state } from "../state.js";
import { text } from "../texts.js";
import { remember } from "./history.js";
import { pathOf, seen } from "./looks.js";
import { wantShow } from "./stage.js";

const USUAL = [10, 20, 30, 40, 50, 60, 70, 80];
export let rowAges = USUAL;
let loading = null, rowOf = "";

// "20, 60" as well as "20 60"; null for what is no list of ages.
export function agesIn(line) {
  const parts = line.trim().split(/[\s,;，、]+/).filter(Boolean), ages = parts.map(Number);
  return ages.length && ages.length <= 12 && ages.every((age) => age >= 0 && age <= 120) ? ages : null;
}

function cell(age) {
  const button = document.createElement("button");
  button.innerHTML = "<img alt=''><span></span>";
  button.lastElementChild.textContent = age;
  button.dataset.age = age;
  button.setAttribute("aria-label", text("years", { age }));
  button.onclick = () => {
    for (const face of chosen()) state.edits.ages[face.number] = age;
    state.edits.direction = "";
    remember();
    wantShow();
  };
  return button;
}

// One request after the other, behind what the slider asks for.
async function draw() {
  loading?.abort();
  loading = new AbortController();
  const { signal } = loading, cells = rowAges.map(cell), old = [...$("ages").querySelectorAll("img")];
  // The elements, since addresses of pictures that are forgotten end.
  old.forEach((image, i) => { if (image.src && cells[i]) cells[i].firstElementChild.replaceWith(image); });
  $("ages").replaceChildren(...cells);
  $("ages").style.setProperty("--count", rowAges.length);
  markShown();
  const number = focused().number;
  for (const [i, age] of rowAges.entries()) {
    if (signal.aborted) return;
    const path = pathOf({ ...state.edits, direction: "", ages: Object.fromEntries(chosen().map((face) => [face.number, age])) }, "face", number);
    await attempt(async () => { cells[i].firstElementChild.src = (await seen(path, { aside: true, signal })).url; }, "row");
  }
}

function markShown() {
  const ages = new Set(chosen().map((face) => state.edits.ages[face.number]));
  for (const button of $("ages").children) {
    button.setAttribute("aria-pressed", !state.edits.direction && ages.size === 1 && ages.has(Number(button.dataset.age)));
  }
}

function drawIfOther() {
  const of = JSON.stringify([state.photo.id, state.edits.paste, chosen().map((face) => face.number), focused().number]);
  markShown();
  if (of !== rowOf) { rowOf = of; draw(); }
}

export const redrawRow = () => { rowOf = ""; };

export function startRow() {
  on("shown focus", drawIfOther);
  on("readings edits history", () => state.photo && markShown());
  on("photo", () => { loading?.abort(); rowOf = ""; for (const image of $("ages").querySelectorAll("img")) image.removeAttribute("src"); });
  on("language", () => state.photo && rowOf && draw());
  $("row-ages").value = rowAges.join(", ");
  $("row-ages").onchange = () => {
    const ages = agesIn($("row-ages").value);
    $("row-ages").setCustomValidity(ages ? "" : text("agesHint"));
    if (!ages) { $("row-ages").reportValidity(); return; }
    rowAges = ages;
    if (state.photo) draw();
  };
}
