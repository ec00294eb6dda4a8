// The line of the page: what went wrong, until the same thing succeeds, and what is going on.
import { $, on } from "./state.js";
import { text, translated } from "./texts.js";

let source = "";  // what the line is about

// What goes on can have a way to `cancel` it, in place of the one to close the line.
export function notify(message, about = "", cancel = null) {
  source = message ? about : "";
  $("notice-text").textContent = message;
  $("notice").hidden = !message;
  $("notice-close").hidden = Boolean(cancel);
  $("notice-cancel").hidden = !cancel;
  $("notice-cancel").onclick = () => { cancel(); notify(""); $("main").focus(); };
}

export const settle = (about) => { if (source === about) notify(""); };

// Do something; a failure becomes the line, a success takes away the line of an earlier failure.
export async function attempt(work, about = "work") {
  try {
    const result = await work();
    settle(about);
    return result;
  } catch (error) {
    if (error.name === "AbortError") return null;
    notify(translated(error.message), error.isOffline ? "offline" : about);
    if (error.isOffline) watchServer();
    return null;
  }
}

let watching = 0;

// Until the server answers again, which takes the line away and shows what was wanted.
function watchServer() {
  if (watching) return;
  watching = setInterval(async () => {
    try { if (!(await fetch("/api/v1/health")).ok) return; } catch { return; }
    clearInterval(watching);
    watching = 0;
    settle("offline");
    document.dispatchEvent(new Event("reage-online"));
  }, 2000);
}

export function startNotice() {
  $("notice-close").onclick = () => { notify(""); $("main").focus(); };
  on("panel", () => { if (source !== "offline") notify(""); });  // what went wrong is the panel's that was left
  on("language", () => $("notice-close").setAttribute("aria-label", text("close")));
}

// Ask before something is replaced; true where it may be.
export function ask(question, yes) {
  const dialog = $("ask");
  $("ask-text").textContent = question;
  $("ask-yes").textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => { dialog.onclose = () => resolve(dialog.returnValue === "yes"); });
}
