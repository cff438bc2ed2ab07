/** Opens and closes the `<dialog>`s that the server has put on the page. */

import { on } from "modelyard/dom.js";

/** @param {string | undefined} id */
function openDialog(id) {
  const dialog = id ? document.getElementById(id) : null;
  if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal();
}

export function startDialogs() {
  on("click", "[data-open-dialog]", (event, button) => {
    event.preventDefault();
    openDialog(button.dataset.openDialog);
  });
  on("click", "[data-close-dialog]", (_event, button) => button.closest("dialog")?.close());
  on("click", "dialog.dialog", (event, dialog) => {
    if (event.target === dialog) /** @type {HTMLDialogElement} */ (dialog).close();
  });
  openDialog(document.querySelector("dialog[data-open-at-once]")?.id);
}
