// A close look: wheel, pinch and buttons scale the picture, a drag moves it, the photo's own pixels
// come from the server for the part that is seen.
import { picture } from "../api.js";
import { $, focused, here, isChanged, lookOf, on, percent, state } from "../state.js";
import { text } from "../texts.js";
import { frame, viewQuery } from "./stage.js";

const MOST = 12;  // screen pixels for one of the photo
const PATIENCE = 400;  // ms of rest until detail is asked for
let scale = 1, x = 0, y = 0, fit = { width: 1, height: 1, left: 0, top: 0 }, waiting = 0, asked = 0;

const pane = () => $("pane-after").getBoundingClientRect();
const layers = () => document.querySelectorAll(".layer");
const limit = () => Math.max(4, (MOST * frame().width) / fit.width / devicePixelRatio);

// The picture as large as the pane lets it be.
function layOut() {
  if (!state.photo || $("work").hidden) return;
  const ratio = frame().width / frame().height;
  const side = $("stage").classList.contains("side");
  $("stage").style.aspectRatio = side ? 2 * ratio : ratio;
  $("stage").style.setProperty("--ratio", side ? 2 * ratio : ratio);
  const box = pane();
  const width = Math.min(box.width, box.height * ratio);
  fit = { width, height: width / ratio, left: (box.width - width) / 2, top: (box.height - width / ratio) / 2 };
  for (const layer of layers()) { layer.style.width = `${fit.width}px`; layer.style.height = `${fit.height}px`; }
  place();
}

function place() {
  const box = pane(), width = fit.width * scale, height = fit.height * scale;
  const hold = (at, size, room) => (size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, at)));
  x = hold(x, width, box.width);
  y = hold(y, height, box.height);
  for (const layer of layers()) layer.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
  $("stage").classList.toggle("scaled", scale > 1);
  $("own-size").textContent = percent((fit.width * scale * devicePixelRatio) / frame().width);
  $("own-size").title = text("ownSize");
  $("own-size").setAttribute("aria-label", `${$("own-size").textContent}: ${text("ownSize")}`);
  if (scale <= 1) clear();
  wait();
}

// Where the face is in the pane: what a button scales around, unless it is out of sight.
function faceAt() {
  const [x0, y0, x1, y1] = focused().box, part = frame(), box = pane(), k = (fit.width * scale) / part.width;
  const px = x + ((x0 + x1) / 2 - part.x) * k, py = y + ((y0 + y1) / 2 - part.y) * k;
  return px > 0 && px < box.width && py > 0 && py < box.height ? [px, py] : [box.width / 2, box.height / 2];
}

// Scale so that what lies under a point of the pane stays there.
function scaleTo(next, px = faceAt()[0], py = faceAt()[1]) {
  next = Math.min(limit(), Math.max(1, next));
  x = px - ((px - x) * next) / scale;
  y = py - ((py - y) * next) / scale;
  scale = next;
  place();
}

function reset() { scale = 1; x = 0; y = 0; clear(); layOut(); }

function clear() {
  asked += 1;
  for (const image of document.querySelectorAll(".detail")) { image.hidden = true; image.removeAttribute("src"); }
}

// One pixel of the photo on one of the screen, at the face or back.
function own() {
  const one = frame().width / fit.width / devicePixelRatio;
  if (scale > 1) { scaleTo(1); return; }
  scaleTo(Math.max(one, 1.01));
}

function wait() {
  clearTimeout(waiting);
  if (scale > 1.01 && state.photo && state.edits.paste !== "none") waiting = setTimeout(detail, PATIENCE);
}

// The part that is seen, in the photo's pixels, a little larger.
function seenPart() {
  const box = pane(), { x: left, y: top, width, height } = frame(), k = width / (fit.width * scale);
  const x0 = Math.max(0, -x * k), y0 = Math.max(0, -y * k);
  const x1 = Math.min(width, (box.width - x) * k), y1 = Math.min(height, (box.height - y) * k);
  return { x: Math.floor(left + x0), y: Math.floor(top + y0), width: Math.ceil(x1 - x0), height: Math.ceil(y1 - y0) };
}

async function detail() {
  const after = $("after"), one = asked += 1;
  if (after.naturalWidth >= Math.min(frame().width, fit.width * scale * devicePixelRatio) - 2) return;
  const part = seenPart(), where = new URLSearchParams(part), most = Math.ceil(Math.max(pane().width, pane().height) * devicePixelRatio);
  const size = `&most=${Math.min(4096, Math.max(64, most))}`;
  $("stage").classList.add("sharpening");
  try {
    const before = picture(here(`/detail?${where}${size}`));
    const made = isChanged() ? picture(here(`/detail?${lookOf()}&${where}${size}${viewQuery()}`)) : before;
    for (const [id, shown] of [["detail-before", await before], ["detail-after", await made]]) {
      if (one !== asked) return;
      await lay($(id), shown.url, part);
    }
  } catch { /* the smaller picture stays */ } finally { if (one === asked) $("stage").classList.remove("sharpening"); }
}

async function lay(image, url, part) {
  const { x: left, y: top, width, height } = frame();
  image.src = url;
  await image.decode();
  Object.assign(image.style, { left: `${(100 * (part.x - left)) / width}%`, top: `${(100 * (part.y - top)) / height}%`,
    width: `${(100 * part.width) / width}%`, height: `${(100 * part.height) / height}%` });
  image.hidden = false;
}

function startPointers() {
  const stage = $("stage"), down = new Map();
  let apart = 0;
  const at = (event) => { const box = pane(); return [event.clientX - box.left, event.clientY - box.top]; };
  stage.addEventListener("wheel", (event) => {
    // At its whole size, the wheel moves the page, unless that is at its top and the wheel goes up.
    const up = event.deltaY < 0;
    if (!event.ctrlKey && scale === 1 && !(up && scrollY === 0)) return;
    event.preventDefault();
    scaleTo(scale * Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 400)), ...at(event));
  }, { passive: false });
  stage.addEventListener("pointerdown", (event) => {
    if (event.target.closest("button, #handle, #busy") || state.marking) return;
    down.set(event.pointerId, at(event));
    if (scale > 1 && event.pointerType === "mouse") { event.preventDefault(); stage.setPointerCapture(event.pointerId); }
    apart = 0;
  });
  stage.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    down.set(event.pointerId, now);
    if (down.size === 2) {
      const [a, b] = [...down.values()], spread = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (apart) scaleTo((scale * spread) / apart, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
      apart = spread;
    } else if (scale > 1) { x += now[0] - before[0]; y += now[1] - before[1]; place(); }
  });
  for (const kind of ["pointerup", "pointercancel", "pointerleave"]) {
    stage.addEventListener(kind, (event) => { down.delete(event.pointerId); apart = 0; });
  }
  stage.addEventListener("dblclick", (event) => { if (!event.target.closest("button")) (scale > 1 ? scaleTo(1) : scaleTo(frame().width / fit.width / devicePixelRatio, ...at(event))); });
  stage.addEventListener("dragstart", (event) => event.preventDefault());
}

// Where a pointer is, in the photo's pixels.
export function photoPoint(event) {
  const box = pane(), { x: left, y: top, width } = frame(), k = width / (fit.width * scale);
  return [left + (event.clientX - box.left - x) * k, top + (event.clientY - box.top - y) * k];
}

export function startCloseup() {
  startPointers();
  $("closer").onclick = () => scaleTo(scale * 1.5);
  $("farther").onclick = () => scaleTo(scale / 1.5);
  $("own-size").onclick = own;
  on("photo near", reset);
  on("framed language", layOut);
  on("edits readings", () => { const image = $("detail-after"); image.hidden = true; wait(); });
  new ResizeObserver(layOut).observe($("stage"));
}
