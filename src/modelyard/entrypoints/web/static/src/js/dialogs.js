/** Opens and closes the `<dialog>`s that the server has put on the page. */

import { on } from "modelyard/dom.js";

/** @param {Element | null} dialog */
function show(dialog) {
  if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal();
}

/** Tasks that htmx has just put into the slot. */
function showFetched() {
  show(document.querySelector("dialog[data-open-at-once]"));
}

export function startDialogs() {
  on("click", "[data-open-dialog]", (event, button) => {
    event.preventDefault();
    show(document.getElementById(button.dataset.openDialog ?? ""));
  });
  on("click", "[data-close-dialog]", (_event, button) => button.closest("dialog")?.close());
  on("click", "dialog.dialog", (event, dialog) => {
    if (event.target === dialog) /** @type {HTMLDialogElement} */ (dialog).close();
  });
  document.addEventListener("htmx:after:swap", showFetched);
}
