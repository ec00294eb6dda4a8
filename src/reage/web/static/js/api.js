// Calls of the server's API. Every failure is an Error with one line for the user.
import { notify } from "./notice.js";
import { text, translated } from "./texts.js";

const BASE = "/api/v1";

const offline = () => Object.assign(new Error(text("offline")), { isOffline: true });

async function answer(call) {
  let response;
  try { response = await call; } catch (error) {
    if (error.name === "AbortError") throw error;
    throw offline();
  }
  if (response.ok) return response;
  if (response.status === 401) location.assign("/login");
  let detail = `${response.status}`;
  try {
    const told = (await response.json()).detail;
    detail = typeof told === "string" ? told : told.map((one) => one.msg).join("; ");
  } catch { /* no JSON: the status has to do */ }
  throw Object.assign(new Error(detail), { status: response.status });
}

export const get = async (path) => (await answer(fetch(BASE + path))).json();

export async function send(method, path, body) {
  const options = { method };
  if (body !== undefined) { options.body = JSON.stringify(body); options.headers = { "content-type": "application/json" }; }
  const response = await answer(fetch(BASE + path, options));
  return response.status === 204 ? null : response.json();
}

// A picture, what the server says of its faces, and how long its bytes took to come.
export async function picture(path, signal) {
  const response = await answer(fetch(BASE + path, { signal }));
  const told = response.headers.get("x-reage"), began = performance.now();
  const blob = await response.blob();
  return { blob, url: URL.createObjectURL(blob), faces: told ? JSON.parse(told) : {}, coming: performance.now() - began };
}

// XMLHttpRequest, since fetch tells no progress of what it sends.
export function upload(path, file, onProgress = () => {}, signal = null) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", BASE + path);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => reject(offline());
    request.onload = () => {
      let told = {};
      try { told = JSON.parse(request.responseText); } catch { /* below */ }
      if (request.status < 300) resolve(told);
      else reject(new Error(typeof told.detail === "string" ? told.detail : `${request.status}`));
    };
    request.onabort = () => reject(new DOMException("it was cancelled", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

// Follow a job until it is over; returns its last state.
export function follow(id, onChange) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(`${BASE}/jobs/${id}/events`);
    source.onmessage = (event) => {
      const job = JSON.parse(event.data);
      onChange(job);
      if (["done", "failed", "cancelled"].includes(job.state)) { source.close(); resolve(job); }
    };
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) reject(offline()); };
  });
}

// What is to be saved, as a File of the name that the server gives it; what it lost is said.
export async function fetched(path) {
  // Fetched first, so that an error becomes a line on the page and not a file.
  const response = await answer(fetch(BASE + path));
  const name = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("content-disposition") ?? "");
  const blob = await response.blob();
  const notices = JSON.parse(response.headers.get("x-reage-notices") ?? "[]");
  if (notices.length) notify(notices.map(translated).join("\n"), "kept");
  return new File([blob], name ? decodeURIComponent(name[1]) : "reage", { type: blob.type });
}

export function save(file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export const download = async (path) => save(await fetched(path));
