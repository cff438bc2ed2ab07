/** `<my-narrow for="id">` around a search field hides what does not match among the target's `[data-narrow]`, those that
 * come later too. */

class Narrow extends HTMLElement {
  connectedCallback() {
    this.addEventListener("input", this.#narrow);
    document.addEventListener("htmx:after:swap", this.#narrow);
  }

  disconnectedCallback() {
    this.removeEventListener("input", this.#narrow);
    document.removeEventListener("htmx:after:swap", this.#narrow);
  }

  #narrow = () => {
    const words = this.querySelector("input")?.value.trim().toLowerCase() ?? "";
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
