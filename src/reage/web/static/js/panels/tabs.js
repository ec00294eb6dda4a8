// The tabs and their panels.
import { $, tell } from "../state.js";

// Rows that scroll sideways fade at an end beyond which there is more.
function fadeWhereMore() {
  for (const row of document.querySelectorAll(".sideways")) {
    const mark = () => {
      const before = Math.abs(row.scrollLeft), after = row.scrollWidth - row.clientWidth - before;
      row.classList.toggle("more-before", before > 2);
      row.classList.toggle("more-after", after > 2);
    };
    row.addEventListener("scroll", mark);
    new ResizeObserver(mark).observe(row);
    new MutationObserver(mark).observe(row, { childList: true, subtree: true, characterData: true });
    mark();
  }
}

export function startTabs() {
  fadeWhereMore();
  const tabs = [...$("tabs").children];
  const select = (tab) => {
    for (const one of tabs) {
      const chosen = one === tab;
      one.setAttribute("aria-selected", chosen);
      one.tabIndex = chosen ? 0 : -1;
      $(one.getAttribute("aria-controls")).hidden = !chosen;
    }
    tab.scrollIntoView({ block: "nearest", inline: "center" });
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
