// How a file gets in besides being chosen: dropped, pasted, taken with the camera.
import { notify } from "./notice.js";
import { $ } from "./state.js";
import { text } from "./texts.js";

const panel = () => document.querySelector("#tabs [aria-selected=true]").id.replace("tab-", "");

// What is dropped belongs to the panel that is open; `takers` are functions of files by panel. On a
// panel that takes none, it is a photo to open.
export function startInputs(takers) {
  const take = (files) => {
    if (!files.length) return;
    if (!(panel() in takers)) $("tab-photo").click();
    takers[panel()]([...files]);
  };
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      $("drop").classList.toggle("over", kind === "dragover");
      if (kind === "drop") take(event.dataTransfer.files);
    });
  }
  document.addEventListener("paste", (event) => take(event.clipboardData.files));
  // Without https a browser gives no camera to the page, but a phone's own camera app a photo.
  $("camera").onclick = () => (navigator.mediaDevices?.getUserMedia ? openCamera(takers.photo) : $("camera-file").click());
  $("camera-file").onchange = () => { take($("camera-file").files); $("camera-file").value = ""; };
}

export function fill(input, files) {
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

async function openCamera(take) {
  const dialog = $("camera-dialog"), video = $("camera-video");
  let stream;
  try { stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1920 } } }); } catch (error) {
    notify(text("noCamera", { error: error.message ?? "" }), "camera");
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
    canvas.toBlob((blob) => { dialog.close(); take([new File([blob], "camera.jpg")]); }, "image/jpeg", 0.95);
  };
}
