/** `<my-selection>` around the form of a table's ticked rows: how many they are, all rows of the page at once, and ranges
 * with the shift key. Without it single boxes still work. */

const BOX = "tbody .tick";

class Selection extends HTMLElement {
  /** @type {HTMLInputElement | null} */
  #last = null;
  #region = /** @type {HTMLElement | null} */ (null);

  connectedCallback() {
    this.#region = this.closest(".swap-target");
    this.#region?.addEventListener("click", this.#pressed);
    this.#region?.addEventListener("change", this.#changed);
    this.addEventListener("reset", this.#cleared);
    this.#show();
  }

  disconnectedCallback() {
    this.#region?.removeEventListener("click", this.#pressed);
    this.#region?.removeEventListener("change", this.#changed);
    this.removeEventListener("reset", this.#cleared);
  }

  /** @returns {HTMLInputElement[]} */
  get #boxes() {
    return [...(this.#region?.querySelectorAll(BOX) ?? [])].map((box) => /** @type {HTMLInputElement} */ (box));
  }

  /** @returns {HTMLInputElement | null} */
  get #all() {
    return this.#region?.querySelector("[data-select-all]") ?? null;
  }

  #pressed = (/** @type {MouseEvent} */ event) => {
    const box = event.target instanceof Element ? event.target.closest(BOX) : null;
    if (!(box instanceof HTMLInputElement)) return;
    if (event.shiftKey && this.#last) this.#tickBetween(this.#last, box);
    this.#last = box;
  };

  /**
   * @param {HTMLInputElement} first
   * @param {HTMLInputElement} last
   */
  #tickBetween(first, last) {
    const boxes = this.#boxes;
    const ends = [boxes.indexOf(first), boxes.indexOf(last)].sort((one, other) => one - other);
    for (const box of boxes.slice(ends[0], ends[1] + 1)) box.checked = last.checked;
  }

  #changed = (/** @type {Event} */ event) => {
    const all = this.#all;
    if (all && event.target === all) for (const box of this.#boxes) box.checked = all.checked;
    this.#show();
  };

  /** The boxes are cleared after the event. */
  #cleared = () => setTimeout(() => this.#show());

  #show() {
    const boxes = this.#boxes;
    const ticked = boxes.filter((box) => box.checked).length;
    const all = this.#all;
    if (all) {
      all.checked = ticked > 0 && ticked === boxes.length;
      all.indeterminate = ticked > 0 && ticked < boxes.length;
    }
    const label = this.querySelector("[data-selected]");
    if (label) label.textContent = `${ticked} selected`;
  }
}

customElements.define("my-selection", Selection);
