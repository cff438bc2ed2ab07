/** Single keys and two-key sequences. An element offers itself with `data-shortcut="g e"`; `?` lists what is offered. */

import { make } from "modelyard/dom.js";

const SEQUENCE_MS = 900;
let pending = "";
let pendingSince = 0;

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input, select, textarea"));
}

/** @param {HTMLElement} element */
function activate(element) {
  if (element.matches("input, select, textarea")) element.focus();
  else element.click();
}

/** @param {string} keys */
function offered(keys) {
  return document.querySelector(`[data-shortcut="${CSS.escape(keys)}"]`);
}

/** @param {number} step */
function moveAmongRows(step) {
  const links = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-rows] tbody th a:not(.child-mark)")]);
  const current = links.findIndex((link) => link === document.activeElement);
  links[Math.min(links.length - 1, Math.max(0, current + step))]?.focus();
}

function fillHelp() {
  const list = document.getElementById("shortcut-list");
  if (!list) return;
  const rows = [...document.querySelectorAll("[data-shortcut]")].map((element) => {
    const name = element.getAttribute("data-shortcut-name") ?? element.textContent?.trim() ?? "";
    const keys = (element.getAttribute("data-shortcut") ?? "").split(" ").map((key) => make("kbd", {}, key));
    return make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, ...keys.flatMap((key) => [key, " "])));
  });
  list.replaceChildren(...rows);
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const sequence = Date.now() - pendingSince < SEQUENCE_MS ? `${pending} ${event.key}` : event.key;
  const element = offered(sequence) ?? offered(event.key);
  if (element instanceof HTMLElement) {
    event.preventDefault();
    pending = "";
    if (event.key === "?") fillHelp();
    activate(element);
  } else if (event.key === "j" || event.key === "k") {
    moveAmongRows(event.key === "j" ? 1 : -1);
  } else if (event.key === "x") {
    /** @type {HTMLElement | null} */ (document.activeElement?.closest("tr")?.querySelector(".tick") ?? null)?.click();
  } else {
    pending = event.key;
    pendingSince = Date.now();
  }
}

export function startShortcuts() {
  if (document.documentElement.dataset.shortcuts === "off") return;
  document.addEventListener("keydown", onKey);
}
