/** `<my-narrow for="id">` around a search field hides what does not match among the target's `[data-narrow]`. */

class Narrow extends HTMLElement {
  connectedCallback() {
    this.addEventListener("input", this.#narrow);
  }

  disconnectedCallback() {
    this.removeEventListener("input", this.#narrow);
  }

  #narrow = (/** @type {Event} */ event) => {
    const words = /** @type {HTMLInputElement} */ (event.target).value.trim().toLowerCase();
    const target = document.getElementById(this.getAttribute("for") ?? "");
    let shown = 0;
    for (const item of target?.querySelectorAll("[data-narrow]") ?? []) {
      const matches = (item.getAttribute("data-narrow") ?? "").toLowerCase().includes(words);
      /** @type {HTMLElement} */ (item).hidden = !matches;
      shown += Number(matches);
    }
    const nothing = target?.querySelector("[data-narrow-none]");
    if (nothing instanceof HTMLElement) nothing.hidden = shown > 0;
  };
}

customElements.define("my-narrow", Narrow);
