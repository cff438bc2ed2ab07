/** `<my-slug name-field="…" path-field="…">`: the path follows the name until somebody writes a path. */

class Slug extends HTMLElement {
  #written = false;

  connectedCallback() {
    const name = this.#field("name-field");
    const path = this.#field("path-field");
    this.#written = Boolean(path?.value);
    // Whoever was quicker than this script has written a name already.
    if (name && path && !this.#written) path.value = slug(name.value);
    this.addEventListener("input", this.#follow);
  }

  disconnectedCallback() {
    this.removeEventListener("input", this.#follow);
  }

  /** @param {string} attribute */
  #field(attribute) {
    return /** @type {HTMLInputElement | null} */ (this.querySelector(`[name="${this.getAttribute(attribute)}"]`));
  }

  #follow = (/** @type {Event} */ event) => {
    const name = this.#field("name-field");
    const path = this.#field("path-field");
    if (!name || !path) return;
    if (event.target === path) this.#written = path.value !== "";
    else if (event.target === name && !this.#written) path.value = slug(name.value);
  };
}

/**
 * The path that a name suggests: ASCII letters, digits, dots, dashes and underscores.
 * @param {string} name
 */
export function slug(name) {
  return name
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[-._]+|[-._]+$/g, "");
}

customElements.define("my-slug", Slug);
