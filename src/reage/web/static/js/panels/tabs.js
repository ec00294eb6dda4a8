// The tabs and their panels.
import { $, tell } from "../state.js";

export function startTabs() {
  const tabs = [...$("tabs").children];
  const select = (tab) => {
    for (const one of tabs) {
      const chosen = one === tab;
      one.setAttribute("aria-selected", chosen);
      one.tabIndex = chosen ? 0 : -1;
      $(one.getAttribute("aria-controls")).hidden = !chosen;
    }
    tell("panel", tab.id.replace("tab-", ""));
  };
  for (const [i, tab] of tabs.entries()) {
    tab.onclick = () => select(tab);
    tab.onkeydown = (event) => {
      const isRight = document.documentElement.dir === "rtl" ? -1 : 1;
      const step = { ArrowRight: isRight, ArrowLeft: -isRight }[event.key];
      if (!step) return;
      const next = tabs[(i + step + tabs.length) % tabs.length];
      select(next);
      next.focus();
    };
  }
}
