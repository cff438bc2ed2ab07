/** Opens and closes the `<dialog>`s that the server has put on the page. */

import { on } from "modelyard/dom.js";

/** @param {Element | null} dialog */
function show(dialog) {
  if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal();
}

/** Tasks that htmx has just put into the slot, once: whoever closes one does not see it again. */
function showFetched() {
  const dialog = document.querySelector("dialog[data-open-at-once]");
  dialog?.removeAttribute("data-open-at-once");
  show(dialog);
}

/** "Cancel" leads back where a task is a page of its own; in a dialog one is there already. */
function close(/** @type {Event} */ event, /** @type {HTMLElement} */ button) {
  const dialog = button.closest("dialog");
  if (!dialog) return;
  event.preventDefault();
  dialog.close();
}

export function startDialogs() {
  on("click", "[data-open-dialog]", (event, button) => {
    event.preventDefault();
    show(document.getElementById(button.dataset.openDialog ?? ""));
  });
  on("click", "[data-close-dialog]", close);
  on("click", "dialog.dialog", (event, dialog) => {
    if (event.target === dialog) /** @type {HTMLDialogElement} */ (dialog).close();
  });
  document.addEventListener("htmx:after:swap", showFetched);
}
