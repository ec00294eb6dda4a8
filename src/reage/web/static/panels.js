// The panels besides the photo: mixing, video, folder, about.
import { download, follow, picture, send, upload } from "./api.js";
import { adopt, attempt, invert, notify, open, percent } from "./app.js";
import { text } from "./texts.js";

const $ = (id) => document.getElementById(id);
let other = null, mixing = false, mixWanted = false;

function startTabs() {
  const tabs = [...$("tabs").children];
  const select = (tab) => {
    for (const one of tabs) {
      const chosen = one === tab;
      one.setAttribute("aria-selected", chosen);
      one.tabIndex = chosen ? 0 : -1;
      $(one.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (tab.id === "tab-mix") showFirst();
  };
  for (const [i, tab] of tabs.entries()) {
    tab.onclick = () => select(tab);
    tab.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(i + step + tabs.length) % tabs.length];
      select(next);
      next.focus();
    };
  }
}

// ---- mixing

async function showFirst() {
  $("mix-choose").disabled = !open.photo;
  $("mix-busy").textContent = open.photo ? "" : text("mixNeeds");
  if (open.photo) await mix();
}

export async function openOther(file) {
  if (!file || !open.photo) { $("mix-busy").textContent = open.photo ? "" : text("mixNeeds"); return; }
  $("mix-busy").textContent = text("opening");
  await attempt(async () => {
    const photo = await upload(`/photos?name=${encodeURIComponent(file.name || "photo")}`, file);
    $("mix-other").src = (await picture(`/photos/${photo.id}/view?view=face&face=${photo.largest}`)).url;
    other = photo;
  });
  await mix();
}

// The photo with the code of its first face, which is looked for where it is not known yet.
async function learnt(photo) {
  const face = photo.faces.find((one) => one.chosen);
  if (face.inverted) return photo;
  const found = await invert(photo, [face], null, (state) => { $("mix-busy").textContent = state.state === "waiting"
    ? text("waiting", { n: state.place }) : text("working", { percent: percent(state.total ? state.done / state.total : 0) }); });
  if (!found) throw new Error(text("cancelled"));
  return found;
}

function mixed(what) {
  const shares = ["coarse", "middle", "fine"].map((id) => `${id}=${$(id).value / 100}`).join("&");
  return `/photos/${open.photo.id}/${what}?other=${other.id}&${shares}`;
}

async function mix() {
  mixWanted = true;
  if (mixing) return;
  mixing = true;
  while (mixWanted) {
    mixWanted = false;
    await attempt(async () => {
      if (other) { adopt(await learnt(open.photo)); other = await learnt(other); }
      const shown = await picture(other ? `${mixed("mixed")}&view=face` : `/photos/${open.photo.id}/view?view=face`);
      $("mix-result").src = shown.url;
      $("mix-save").hidden = !other;
    });
    $("mix-busy").textContent = "";
  }
  mixing = false;
}

// ---- video and folder: upload, then a card for the job

function card(place, title) {
  const box = document.createElement("div");
  box.className = "card job";
  box.innerHTML = '<strong></strong><span role="status"></span><progress max="1" value="0"></progress><div class="row"></div>';
  box.querySelector("strong").textContent = title;
  $(place).prepend(box);
  return {
    say: (line, share) => { box.querySelector("span").textContent = line; if (share !== undefined) box.querySelector("progress").value = share; },
    buttons: (...all) => box.querySelector(".row").replaceChildren(...all.map(([label, action]) => {
      const button = document.createElement("button");
      button.textContent = label;
      button.onclick = action;
      return button;
    })),
  };
}

async function submit(place, file, path) {
  if (!file) return;
  const limit = open.about?.max_file ?? Infinity;
  if (file.size > limit) { notify(text("tooLarge", { size: Math.round(file.size / 2 ** 20), limit: limit / 2 ** 20 })); return; }
  const shown = card(place, file.name);
  try {
    const job = await upload(path, file, (share) => shown.say(text("uploading", { percent: percent(share) }), share));
    shown.buttons([text("cancel"), () => attempt(() => send("DELETE", `/jobs/${job.id}`))]);
    const last = await follow(job.id, (state) => {
      const left = state.seconds_left === null ? "" : ` · ${text("left", { s: Math.ceil(state.seconds_left) })}`;
      shown.say(state.state === "waiting" ? text("waiting", { n: state.place })
        : text("running", state) + left, state.total ? state.done / state.total : 0);
    });
    shown.buttons();
    if (last.state === "failed") throw new Error(last.error);
    if (last.state === "cancelled") { shown.say(text("cancelled"), 0); return; }
    const failed = last.result.failed ?? [];
    const list = failed.slice(0, 5).map((one) => `${one.photo}: ${one.error}`).join("; ");
    shown.say(failed.length ? text("failedPhotos", { n: failed.length, list }) : text("done"), 1);
    shown.buttons([text("save"), () => attempt(() => download(`/jobs/${job.id}/file`))]);
  } catch (error) {
    shown.buttons();
    shown.say(text("failed", { error: error.message }), 0);
  }
}

function startForms() {
  $("video-form").onsubmit = (event) => {
    event.preventDefault();
    const file = $("video-file").files[0];
    submit("video-jobs", file, `/videos?to=${$("video-age").value}&which=${$("video-which").value}&preview=${$("video-preview").value}&name=${encodeURIComponent(file.name)}`);
  };
  $("folder-form").onsubmit = (event) => {
    event.preventDefault();
    const file = $("folder-file").files[0];
    const ages = $("folder-ages").value.trim().split(/\s+/).map((age) => `to=${age}`).join("&");
    submit("folder-jobs", file, `/folders?${ages}&quality=${$("folder-quality").value}&name=${encodeURIComponent(file.name)}`);
  };
}

function showAbout() {
  if (!open.about) return;
  $("about-model").textContent = text("modelLine", open.about);
  $("about-card").textContent = open.about.card;
}

export function startPanels() {
  startTabs();
  startForms();
  showAbout();
  document.addEventListener("reage-language", showAbout);
  $("mix-choose").onclick = () => $("mix-file").click();
  $("mix-file").onchange = () => openOther($("mix-file").files[0]);
  $("mix-save").onclick = () => attempt(() => download(`${mixed("mixed/download")}&suffix=${$("format").value}`));
  for (const slider of document.querySelectorAll(".level")) slider.oninput = mix;
  $("forget").onclick = () => attempt(async () => {
    await send("DELETE", "/session");
    notify(text("forgotten"));
    setTimeout(() => location.reload(), 1200);
  });
}
