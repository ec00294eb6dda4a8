// How much of each part of the change is shown: skin, shape, grey hair.
import { $, on, PARTS, state } from "../state.js";
import { remember } from "./history.js";
import { redrawRow } from "./row.js";
import { wantShow } from "./stage.js";

function draw() {
  if (!state.photo) return;
  for (const part of PARTS) $(`part-${part}`).value = 100 * (state.edits[part] ?? 1);
}

export function startParts() {
  on("photo edits history", draw);
  for (const part of PARTS) {
    $(`part-${part}`).oninput = () => { state.edits[part] = $(`part-${part}`).value / 100; wantShow({ dragging: true }); };
    $(`part-${part}`).onchange = () => { remember(); redrawRow(); wantShow(); };
  }
}
