/** `<my-copy value="…">` around a button copies the value. */

import { announce, icon } from "modelyard/dom.js";

const SHOWN_MS = 1600;

/** The clipboard of pages that are not served over TLS. */
function copyBySelection(/** @type {string} */ text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

class Copy extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", this.#copy);
  }

  disconnectedCallback() {
    this.removeEventListener("click", this.#copy);
  }

  #copy = async () => {
    const text = this.getAttribute("value") ?? "";
    const copied = navigator.clipboard
      ? await navigator.clipboard.writeText(text).then(
          () => true,
          () => copyBySelection(text),
        )
      : copyBySelection(text);
    announce(copied ? "Copied" : "The browser refused to copy.");
    if (copied) this.#showDone();
  };

  #showDone() {
    const drawn = this.querySelector("svg.icon");
    if (!drawn || this.classList.contains("copied")) return;
    const done = icon("check");
    drawn.replaceWith(done);
    this.classList.add("copied");
    setTimeout(() => {
      done.replaceWith(drawn);
      this.classList.remove("copied");
    }, SHOWN_MS);
  }
}

customElements.define("my-copy", Copy);
