/** Short messages at the foot of the page. They stay while pointed at or focused, and errors stay until closed. */

import { icon, make, on } from "modelyard/dom.js";

const VISIBLE_MS = 10_000;

/** @param {HTMLElement} toast */
function scheduleRemoval(toast) {
  if (toast.classList.contains("toast-danger")) return;
  let timer = setTimeout(() => toast.remove(), VISIBLE_MS);
  const hold = () => clearTimeout(timer);
  const release = () => {
    hold();
    timer = setTimeout(() => toast.remove(), VISIBLE_MS);
  };
  toast.addEventListener("mouseenter", hold);
  toast.addEventListener("focusin", hold);
  toast.addEventListener("mouseleave", release);
  toast.addEventListener("focusout", release);
}

/**
 * @param {string} sentence
 * @param {{ failed?: boolean }} [options]
 */
export function showToast(sentence, { failed = false } = {}) {
  const toast = make(
    "div",
    { class: failed ? "toast toast-danger" : "toast" },
    icon(failed ? "circle-alert" : "circle-check"),
    make("span", { class: "toast-text" }, sentence),
    make(
      "button",
      { type: "button", class: "button button-quiet button-tiny", "data-close": "toast", "aria-label": "Close message" },
      icon("x"),
    ),
  );
  document.getElementById("toasts")?.append(toast);
}

export function startToasts() {
  on("click", '[data-close="toast"]', (_event, button) => button.closest(".toast")?.remove());
  const region = document.getElementById("toasts");
  if (!region) return;
  region.querySelectorAll(".toast").forEach((toast) => scheduleRemoval(/** @type {HTMLElement} */ (toast)));
  new MutationObserver((changes) => {
    for (const node of changes.flatMap((change) => [...change.addedNodes])) {
      if (node instanceof HTMLElement && node.matches(".toast")) scheduleRemoval(node);
    }
  }).observe(region, { childList: true });
}
