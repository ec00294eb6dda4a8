// Words of the page in the chosen language. Each file in texts/ is a language; {name} is filled in.
import english from "../texts/en.js";
import { tell } from "./state.js";

let language = english;
let code = "en";
let latest = "en";  // what was asked for last

export const languageCode = () => code;

export function text(key, values = {}) {
  const found = language.words[key] ?? english.words[key] ?? key;
  return found.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

// What the server says is English: what is known of it is said in the user's language.
export function translated(message) {
  for (const [pattern, words] of language.errors ?? []) {
    const found = pattern.exec(message);
    if (found) return words.replace(/\$(\d)/g, (_, n) => found[n] ?? "");
  }
  return message;
}

// The stage of a job, as far as it has a name of ours.
export const stageText = (stage) => language.words[`stage_${stage}`] ?? english.words[`stage_${stage}`] ?? stage;

export const nameOf = (one) => new Intl.DisplayNames([one], { type: "language" }).of(one);

// Returns the code of the language, or nothing if another was chosen while its words came.
export async function setLanguage(wanted) {
  latest = wanted;
  let words = english;
  try {
    if (wanted !== "en") words = (await import(`../texts/${wanted}.js`)).default;
  } catch { /* English stays */ }
  if (latest !== wanted) return undefined;
  language = words;
  code = words === english ? "en" : wanted;
  document.documentElement.lang = language.locale;
  document.documentElement.dir = language.dir ?? "ltr";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset.label));
    if (element.tagName === "BUTTON") element.title = text(element.dataset.label);
  }
  tell("language");
  return code;
}
