// Many photos at once: a ZIP, files or a folder go in, thumbnails and a ZIP come out.
import { download, get } from "../api.js";
import { ask, attempt, notify, settle } from "../notice.js";
import { fill } from "../inputs.js";
import { agesIn } from "../photo/row.js";
import { $ } from "../state.js";
import { text, translated } from "../texts.js";
import { labelled, resume, submit } from "./cards.js";
import { zipped } from "./zip.js";

const isZip = (file) => /\.zip$/i.test(file.name);
const PHOTO = /\.(jpe?g|png|webp|heic|heif|avif|tiff?|bmp)$/i;

export async function dropFolder(files) {
  const held = $("folder-file").files[0];
  if (held && !(await ask(text("askReplaceFile", { name: held.name }), text("openIt")))) return;
  fill($("folder-file"), files);
}

function check() {
  const isGood = agesIn($("folder-ages").value) !== null;
  $("folder-ages").setCustomValidity(isGood ? "" : text("agesHint"));
}

// One ZIP is sent as it is; photos are put into one here. Null where there is neither.
async function upload() {
  const files = [...$("folder-file").files];
  if (files.length === 1 && isZip(files[0])) return files[0];
  const photos = files.filter((file) => PHOTO.test(file.name) || file.type.startsWith("image/"));
  return photos.length ? zipped(photos, `${photos[0].webkitRelativePath?.split("/")[0] || "photos"}.zip`) : null;
}

async function showResult(job, shown) {
  const failed = job.result.failed ?? [], list = document.createElement("div"), errors = document.createElement("ul");
  list.className = "thumbs";
  const names = await get(`/jobs/${job.id}/pictures`);
  names.forEach((name, i) => {
    const figure = document.createElement("figure"), image = document.createElement("img"), caption = document.createElement("figcaption");
    image.src = `/api/v1/jobs/${job.id}/pictures/${i}`;
    image.loading = "lazy";
    image.alt = caption.textContent = name;
    figure.append(image, caption);
    list.append(figure);
  });
  errors.className = "warn";
  errors.append(...failed.map((one) => {
    const item = document.createElement("li");
    item.textContent = `${one.photo}: ${translated(one.error)}`;
    return item;
  }));
  if (failed.length) shown.line.say(text(failed.length === 1 ? "failed1" : "failedPhotos", { n: failed.length }));
  shown.result.replaceChildren(list, errors);
  shown.buttons(labelled(text("save"), () => attempt(() => download(`/jobs/${job.id}/file`))));
}

export const resumeFolders = () => resume("folder-jobs", "folder", showResult);

export function startFolder() {
  $("folder-ages").oninput = check;
  $("folder-pick").hidden = !("webkitdirectory" in HTMLInputElement.prototype);
  $("folder-pick").onclick = () => $("folder-whole").click();
  $("folder-whole").onchange = () => fill($("folder-file"), $("folder-whole").files);
  $("folder-form").onsubmit = async (event) => {
    event.preventDefault();
    const ages = agesIn($("folder-ages").value).map((age) => `to=${age}`).join("&");
    notify(text("opening"), "folder");  // many photos take a while to pack
    const file = await upload();
    if (file) settle("folder"); else { notify(text("noPhotos"), "folder"); return; }
    submit("folder-jobs", file, `/folders?${ages}&name=${encodeURIComponent(file.name)}`, showResult);
  };
}
