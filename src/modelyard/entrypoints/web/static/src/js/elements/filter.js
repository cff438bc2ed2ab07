/** `<my-filter src="…">` around a search field proposes what the filter may go on with: keys, operators, values. It is
 * asked for what stands before the caret. Without it the field still works. */

import { make } from "modelyard/dom.js";

const WAIT_MS = 120;
const LIST = "filter-choices";

/** @typedef {{ text: string, note: string }} Choice */

class Filter extends HTMLElement {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {AbortController | undefined} */
  #asking;
  #list = make("ul", { id: LIST, class: "filter-choices", role: "listbox", "aria-label": "Filter proposals", hidden: true });
  #start = 0;
  #end = 0;
  #active = -1;

  connectedCallback() {
    const field = this.#field;
    if (!field) return;
    this.append(this.#list);
    for (const [name, value] of Object.entries({
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": LIST,
    })) {
      field.setAttribute(name, value);
    }
    field.addEventListener("input", this.#changed);
    field.addEventListener("keydown", this.#pressed);
    field.addEventListener("blur", this.#close);
    this.#list.addEventListener("mousedown", this.#clicked);
  }

  disconnectedCallback() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#list.remove();
  }

  /** @returns {HTMLInputElement | null} */
  get #field() {
    return this.querySelector("input[type=search]");
  }

  /** @returns {HTMLElement[]} */
  get #options() {
    return /** @type {HTMLElement[]} */ ([...this.#list.children]);
  }

  #changed = () => {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(), WAIT_MS);
  };

  async #ask() {
    const field = this.#field;
    if (!field || document.activeElement !== field) return;
    this.#asking?.abort();
    this.#asking = new AbortController();
    const url = new URL(this.getAttribute("src") ?? "", location.href);
    this.#end = field.selectionStart ?? field.value.length;
    url.searchParams.set("q", field.value.slice(0, this.#end));
    try {
      const answer = await fetch(url, { signal: this.#asking.signal, headers: { Accept: "application/json" } });
      if (answer.ok) this.#show(await answer.json());
    } catch {
      this.#close(); // a newer question, or no server: proposals are only a help
    }
  }

  /** @param {{ start: number, choices: Choice[] }} found */
  #show({ start, choices }) {
    this.#start = start;
    const options = choices.map(({ text, note }, index) =>
      make(
        "li",
        { id: `${LIST}-${index}`, role: "option", "aria-selected": "false", "data-text": text },
        make("code", {}, text),
        make("span", { class: "subtle number" }, note),
      ),
    );
    this.#list.replaceChildren(...options);
    this.#list.hidden = !options.length;
    this.#field?.setAttribute("aria-expanded", String(options.length > 0));
    this.#choose(-1);
  }

  /** @param {number} index */
  #choose(index) {
    this.#active = index;
    for (const [place, option] of this.#options.entries()) option.setAttribute("aria-selected", String(place === index));
    const option = this.#options[index];
    if (option) this.#field?.setAttribute("aria-activedescendant", option.id);
    else this.#field?.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  }

  #pressed = (/** @type {KeyboardEvent} */ event) => {
    if (this.#list.hidden) return;
    const last = this.#options.length - 1;
    if (event.key === "ArrowDown") this.#choose(this.#active >= last ? 0 : this.#active + 1);
    else if (event.key === "ArrowUp") this.#choose(this.#active <= 0 ? last : this.#active - 1);
    else if (event.key === "Escape") this.#close();
    else if ((event.key === "Enter" || event.key === "Tab") && this.#active >= 0) this.#take(this.#options[this.#active]);
    else return;
    event.preventDefault();
  };

  #clicked = (/** @type {MouseEvent} */ event) => {
    const option = event.target instanceof Element ? event.target.closest("[role=option]") : null;
    event.preventDefault();
    if (option instanceof HTMLElement) this.#take(option);
  };

  /** @param {HTMLElement} option */
  #take(option) {
    const field = this.#field;
    if (!field) return;
    field.setRangeText(`${option.dataset.text} `, this.#start, this.#end, "end");
    this.#close();
    this.#changed();
  }

  #close = () => {
    this.#list.hidden = true;
    this.#field?.setAttribute("aria-expanded", "false");
    this.#choose(-1);
  };
}

customElements.define("my-filter", Filter);
