/** `<my-columns>` around the form of the column picker: a search field, whole groups at once, and the order. What is
 * chosen is remembered for the next visit.
 * Without it the form still works: ticked boxes are the columns. */

import { rememberColumns } from "modelyard/remembered.js";
import { showToast } from "modelyard/toasts.js";

const TOO_LONG = "These columns stay in the address, but their names are too long to be remembered for the next visit.";

class Columns extends HTMLElement {
  connectedCallback() {
    this.addEventListener("input", this.#changed);
    this.addEventListener("click", this.#pressed);
    this.addEventListener("formdata", this.#join);
    this.addEventListener("submit", this.#submitted, { capture: true });
  }

  disconnectedCallback() {
    this.removeEventListener("input", this.#changed);
    this.removeEventListener("click", this.#pressed);
    this.removeEventListener("formdata", this.#join);
    this.removeEventListener("submit", this.#submitted, { capture: true });
  }

  #submitted = () => {
    const ticked = this.querySelectorAll("input[name=cols]:checked");
    this.#remember([...ticked].map((box) => /** @type {HTMLInputElement} */ (box).value));
  };

  #changed = (/** @type {Event} */ event) => {
    const field = /** @type {HTMLInputElement} */ (event.target);
    if (field.type === "search") this.#filter(field.value.trim().toLowerCase());
    else if (field.type === "checkbox" && field.checked) this.#show(field);
  };

  /** @param {string} words */
  #filter(words) {
    for (const option of this.querySelectorAll(".column-option")) {
      /** @type {HTMLElement} */ (option).hidden = !option.textContent?.toLowerCase().includes(words);
    }
    for (const group of this.querySelectorAll(".column-group")) {
      /** @type {HTMLElement} */ (group).hidden = !group.querySelector(".column-option:not([hidden])");
    }
  }

  /** A newly ticked column goes behind the last one of its kind, else to the end. @param {HTMLInputElement} box */
  #show(box) {
    const shown = this.querySelector("[data-shown]");
    const option = box.closest(".column-option");
    if (shown && option && option.parentElement !== shown) {
      const kin = [...shown.querySelectorAll("input")].filter((other) => kindOf(other) === kindOf(box));
      const last = kin.at(-1)?.closest(".column-option");
      if (last) last.after(option);
      else shown.append(option);
    }
    box.focus();
  }

  /** @param {string[]} columns none to forget the choice */
  #remember(columns) {
    const path = new URL(this.querySelector("form")?.action ?? "", location.href).pathname;
    if (!rememberColumns(path, columns)) showToast(TOO_LONG);
  }

  /** `cols=a&cols=b` is what a form sends; `cols=a,b` is what people can read. The boxes' values have no commas. */
  #join = (/** @type {FormDataEvent} */ event) => {
    const columns = event.formData.getAll("cols").map(String);
    if (columns.length) event.formData.set("cols", columns.join(","));
  };

  #pressed = (/** @type {MouseEvent} */ event) => {
    if (event.target instanceof Element && event.target.closest("[data-forget]")) this.#remember([]);
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (!button) return;
    const option = button.closest(".column-option");
    if (button.dataset.move === "up" && option?.previousElementSibling) option.previousElementSibling.before(option);
    if (button.dataset.move === "down" && option?.nextElementSibling) option.nextElementSibling.after(option);
    if (button.dataset.move) {
      event.preventDefault();
      button.focus();
    }
    if (button.dataset.all) this.#setAll(button.closest(".column-group"), button.dataset.all === "on");
  };

  /**
   * @param {Element | null} group
   * @param {boolean} checked
   */
  #setAll(group, checked) {
    for (const box of group?.querySelectorAll(".column-option:not([hidden]) input") ?? []) {
      const field = /** @type {HTMLInputElement} */ (box);
      field.checked = checked;
      if (checked) this.#show(field);
    }
  }
}

/** metrics, params, tags or attributes. @param {HTMLInputElement} box */
function kindOf(box) {
  return box.value.split(".", 1)[0];
}

customElements.define("my-columns", Columns);
