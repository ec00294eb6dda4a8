// Beside what began some work: how far it is, a way to cancel it, and how it ended.
import { follow, send, upload } from "./api.js";
import { attempt } from "./notice.js";
import { percent } from "./state.js";
import { text } from "./texts.js";

export const shareOf = (job) => (job.total ? job.done / job.total : 0);
export const leftText = (job) => (job.seconds_left === null ? "" : ` · ${text("left", { s: Math.ceil(job.seconds_left) })}`);

// What there is to say of a job, unless it is at its work.
export const waitingText = (job, otherwise) => ({ waiting: text("waiting", { n: job.place }), cancelling: text("cancelling") })[job.state] ?? otherwise;

export function progressIn(box) {
  box.classList.add("progress");
  box.tabIndex = -1;  // gets the focus of its button, which goes
  box.innerHTML = '<span role="status"></span><progress max="1" value="0" hidden></progress><button type="button" hidden></button>';
  const [line, bar, button] = box.children;
  let job = null, sending = null;

  function say(words, share) {
    const isHeld = document.activeElement === button;
    line.textContent = words;
    bar.hidden = share === undefined;
    bar.value = share ?? 0;
    bar.setAttribute("aria-label", text("progress"));
    button.hidden = !sending && (!job || job.state === "cancelling");
    if (isHeld && button.hidden) box.focus({ preventScroll: true });
  }

  // Send a file; null where that was cancelled, which is said here.
  async function submit(path, file) {
    const own = sending = new AbortController();
    const show = (share) => say(share < 1 ? text("uploading", { percent: percent(share) }) : text("opening"), share);
    button.textContent = text("cancel");
    button.onclick = () => own.abort();
    show(0);
    try {
      const answer = await upload(path, file, show, own.signal);
      sending = null;
      return answer;
    } catch (error) {
      sending = null;
      const isCancelled = error.name === "AbortError";
      say(isCancelled ? text("cancelled") : "");
      if (isCancelled) return null;
      throw error;
    }
  }

  // Follow a job to its end; null where it was cancelled, which is said here.
  async function watch(started, words, onChange = () => {}) {
    const show = (now) => {
      job = now;
      say(waitingText(now, words(now)), shareOf(now));
      onChange(now);
    };
    button.textContent = text("cancel");
    button.onclick = () => attempt(async () => {
      const told = await send("DELETE", `/jobs/${started.id}`);
      if (job) show(told);  // else it was over meanwhile
    });
    try {
      show(started);
      const last = await follow(started.id, show);
      job = null;
      if (last.state === "failed") throw new Error(last.error);
      say(last.state === "cancelled" ? text("cancelled") : "");
      return last.state === "done" ? last : null;
    } catch (error) { job = null; say(""); throw error; }
  }

  return { say, submit, watch, isBusy: () => job !== null || sending !== null };
}

// Hold buttons while their work goes on; the focus comes back unless it was taken elsewhere.
export async function holding(buttons, work) {
  const held = document.activeElement;
  for (const button of buttons) button.disabled = true;
  try { return await work(); } finally {
    for (const button of buttons) button.disabled = false;
    const { activeElement } = document;
    const isLost = activeElement === document.body || activeElement.closest(".progress");
    if (isLost && buttons.includes(held)) held.focus({ preventScroll: true });
  }
}
