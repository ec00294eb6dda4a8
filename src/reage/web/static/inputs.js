// How a file gets in besides being chosen: dropped, pasted, taken with the camera.
import { notify } from "./app.js";
import { text } from "./texts.js";

const $ = (id) => document.getElementById(id);
const panel = () => document.querySelector("#tabs [aria-selected=true]").id.replace("tab-", "");

// What is dropped belongs to the panel that is open; `takers` are functions of a file by panel.
export function startInputs(takers) {
  const take = (file) => {
    if (!file) return;
    const input = { video: $("video-file"), folder: $("folder-file") }[panel()];
    if (input) fill(input, file);
    else if (panel() in takers) takers[panel()](file);
  };
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      $("drop").classList.toggle("over", kind === "dragover");
      if (kind === "drop") take(event.dataTransfer.files[0]);
    });
  }
  document.addEventListener("paste", (event) => take(event.clipboardData.files[0]));
  $("camera").onclick = () => openCamera(takers.photo);
}

function fill(input, file) {
  const files = new DataTransfer();
  files.items.add(file);
  input.files = files.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

async function openCamera(take) {
  const dialog = $("camera-dialog"), video = $("camera-video");
  let stream;
  try { stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 } } }); } catch (error) {
    notify(text("noCamera", { error: error.message ?? "" }));
    return;
  }
  video.srcObject = stream;
  await video.play();
  dialog.showModal();
  dialog.onclose = () => { for (const track of stream.getTracks()) track.stop(); video.srcObject = null; };
  $("camera-close").onclick = () => dialog.close();
  $("camera-take").onclick = () => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth; canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => { dialog.close(); take(blob, "camera.jpg"); }, "image/jpeg", 0.95);
  };
}
