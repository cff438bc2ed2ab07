/** `<my-menu>` holds a button with `popovertarget` and the panel it opens. The browser opens, closes and gives the
 * focus back; this element puts the panel under its button and lets arrow keys walk through the items. */

const GAP_PX = 4;
const EDGE_PX = 8;

class Menu extends HTMLElement {
  connectedCallback() {
    this.addEventListener("beforetoggle", this.#place, true);
    this.addEventListener("toggle", this.#toggled, true);
    this.addEventListener("keydown", this.#walk);
  }

  disconnectedCallback() {
    this.removeEventListener("beforetoggle", this.#place, true);
    this.removeEventListener("toggle", this.#toggled, true);
    this.removeEventListener("keydown", this.#walk);
  }

  get #button() {
    return /** @type {HTMLElement} */ (this.querySelector("[popovertarget]"));
  }

  get #panel() {
    return /** @type {HTMLElement} */ (this.querySelector("[popover]"));
  }

  #place = (/** @type {Event} */ event) => {
    if (/** @type {ToggleEvent} */ (event).newState !== "open") return;
    requestAnimationFrame(() => this.#position());
    this.#position();
  };

  #position() {
    const anchor = this.#button.getBoundingClientRect();
    const { style, offsetWidth, offsetHeight } = this.#panel;
    const left = this.dataset.align === "start" ? anchor.left : anchor.right - offsetWidth;
    style.left = `${Math.max(EDGE_PX, Math.min(left, innerWidth - offsetWidth - EDGE_PX))}px`;
    const below = anchor.bottom + GAP_PX;
    const fits = below + offsetHeight <= innerHeight - EDGE_PX;
    style.top = `${fits ? below : Math.max(EDGE_PX, Math.min(below, innerHeight - offsetHeight - EDGE_PX))}px`;
  }

  #toggled = (/** @type {Event} */ event) => {
    const open = /** @type {ToggleEvent} */ (event).newState === "open";
    this.#button.setAttribute("aria-expanded", String(open));
    if (!open) return;
    this.#position();
    (this.#panel.querySelector("[autofocus]") ?? this.#items[0])?.focus();
  };

  /** @returns {HTMLElement[]} */
  get #items() {
    return [...this.#panel.querySelectorAll('[role^="menuitem"]')];
  }

  #walk = (/** @type {KeyboardEvent} */ event) => {
    const items = this.#items;
    if (!items.length || !this.#panel.matches(":popover-open")) return;
    const current = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const next = {
      ArrowDown: (current + 1) % items.length,
      ArrowUp: (current - 1 + items.length) % items.length,
      Home: 0,
      End: items.length - 1,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    items[next].focus();
  };
}

customElements.define("my-menu", Menu);
