// The page: starts its parts, and holds what belongs to all of them.
import { get } from "./api.js";
import { startInputs } from "./inputs.js";
import { attempt, startNotice } from "./notice.js";
import { startAbout } from "./panels/about.js";
import { dropFolder, resumeFolders, startFolder } from "./panels/folder.js";
import { openDroppedOther, startMix } from "./panels/mix.js";
import { startPoster } from "./panels/poster.js";
import { startTabs } from "./panels/tabs.js";
import { dropVideo, resumeVideos, startVideo } from "./panels/video.js";
import { startCloseup } from "./photo/closeup.js";
import { startFaces } from "./photo/faces.js";
import { startHistory } from "./photo/history.js";
import { startLab } from "./photo/lab.js";
import { startLearning } from "./photo/learning.js";
import { openDropped, restore, startOpening } from "./photo/opening.js";
import { startParts } from "./photo/parts.js";
import { startRow } from "./photo/row.js";
import { startSaving } from "./photo/saving.js";
import { startSliders } from "./photo/sliders.js";
import { startStage } from "./photo/stage.js";
import { $, state } from "./state.js";
import { nameOf, setLanguage } from "./texts.js";

const tab = crypto.randomUUID?.() ?? `${Math.random()}`.slice(2);

// The server keeps the photos while a tab shows them, and a little longer.
function tellTabs() {
  const tell = (what) => navigator.sendBeacon(`/api/v1/session/${what}?tab=${tab}`);
  addEventListener("pagehide", () => tell("leave"));
  addEventListener("pageshow", (event) => event.persisted && tell("enter"));
  return fetch(`/api/v1/session/enter?tab=${tab}`, { method: "POST" }).catch(() => {});
}

async function choose(language) {
  const code = await setLanguage(language);
  if (!code) return;
  localStorage.setItem("language", code);
  $("language").value = code;
}

function startTheme() {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
  $("theme").onclick = () => {
    const dark = getComputedStyle(document.documentElement).getPropertyValue("--ink").trim() === "#e6efec";
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
  };
}

// For a start without the server: the worker sees only what is loaded after it, so not a first visit.
async function keepPage() {
  if (!("serviceWorker" in navigator)) return;
  const used = performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname);
  try {
    await navigator.serviceWorker.register("/sw.js");
    const cache = await caches.open("reage-page");
    await cache.addAll(["/", ...new Set(used.filter((path) => path.startsWith("/static/")))]);
    document.body.dataset.kept = "yes";
  } catch { /* without https, in a private window or without room: the page needs its server */ }
}

async function startLanguages() {
  const codes = state.about?.languages ?? [localStorage.getItem("language") ?? "en"];
  $("language").replaceChildren(...codes.map((code) => new Option(nameOf(code), code)));
  $("language").onchange = () => choose($("language").value);
  const own = navigator.languages.map((one) => one.split("-")[0]).find((one) => codes.includes(one));
  await choose(localStorage.getItem("language") ?? own ?? "en");
}

async function start() {
  startTheme();
  startNotice();
  for (const part of [startTabs, startStage, startCloseup, startHistory, startFaces, startSliders, startRow, startLearning, startSaving, startOpening, startMix, startVideo, startFolder, startPoster, startParts]) part();
  startInputs({ photo: ([file]) => openDropped(file), mix: openDroppedOther, video: dropVideo, folder: dropFolder });
  if (localStorage.getItem("language")) await setLanguage(localStorage.getItem("language"));  // for what goes wrong
  state.about = await attempt(() => get("/about"), "about");
  document.addEventListener("reage-online", () => state.about || location.reload());
  await startLanguages();
  startAbout();
  await tellTabs();
  await startLab();
  keepPage();
  restore();
  resumeVideos();
  resumeFolders();
  document.body.dataset.ready = "yes";
}

start();
