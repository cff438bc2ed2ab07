/** `<my-presets>` ticks the scopes of a token that belong to a task: `<button data-scopes="read_api log_candidates">`. */

import { announce } from "modelyard/dom.js";

class Presets extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", this.#choose);
  }

  disconnectedCallback() {
    this.removeEventListener("click", this.#choose);
  }

  #choose = (/** @type {MouseEvent} */ event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-scopes]") : null;
    if (!button) return;
    const scopes = (button.getAttribute("data-scopes") ?? "").split(" ");
    for (const box of this.closest("form")?.querySelectorAll('input[name="scopes"]') ?? []) {
      const field = /** @type {HTMLInputElement} */ (box);
      field.checked = scopes.includes(field.value);
    }
    for (const other of this.querySelectorAll("[data-scopes]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    announce(`Selected ${scopes.join(", ")}`);
  };
}

customElements.define("my-presets", Presets);
