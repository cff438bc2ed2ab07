/** `<my-live src="…" region="id">` hears over server-sent events that something changed; charts hear it from this.
 *
 * With `noun` and `nouns`, new things are announced by a pill and shown when it is pressed, so that nothing moves under
 * the cursor; a region that is still empty (`data-empty`) fills by itself. Without `noun`, the region is renewed in
 * place, at most once a second. The stream closes while the tab is hidden.
 */

import { announce, icon, make } from "modelyard/dom.js";
import { refreshRegion } from "modelyard/requests.js";

const EVERY_MS = 1000;
// A stream that was refused, say because the server is busy, is asked for again: after so long, and then twice as long.
const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 60_000;

class Live extends HTMLElement {
  /** @type {EventSource | null} */
  #stream = null;
  #created = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #retryMs = FIRST_RETRY_MS;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;

  connectedCallback() {
    document.addEventListener("visibilitychange", this.#follow);
    document.addEventListener("htmx:after:swap", this.#settled);
    this.#follow();
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.#follow);
    document.removeEventListener("htmx:after:swap", this.#settled);
    this.#close();
  }

  get #region() {
    return document.getElementById(this.getAttribute("region") ?? "");
  }

  #follow = () => {
    if (document.hidden) this.#close();
    else if (!this.#stream) this.#open();
  };

  #open() {
    const url = new URL(this.getAttribute("src") ?? "", location.href);
    const since = this.#region?.dataset.version;
    if (since) url.searchParams.set("since", since);
    this.#stream = new EventSource(url);
    this.#stream.addEventListener("open", () => {
      this.#retryMs = FIRST_RETRY_MS;
      this.#showState("open");
    });
    this.#stream.addEventListener("error", () => {
      // The browser comes back by itself, except when the server has refused.
      if (this.#stream?.readyState === EventSource.CLOSED) this.#reopenLater();
      else this.#showState("waiting");
    });
    this.#stream.addEventListener("change", (event) => this.#note(JSON.parse(event.data)));
    this.#stream.addEventListener("end", () => this.#close());
  }

  #reopenLater() {
    this.#close();
    // Not all at the same moment, where one server has refused many pages.
    this.#retry = setTimeout(this.#follow, this.#retryMs * (1 + Math.random() / 2));
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
  }

  #close() {
    clearTimeout(this.#retry);
    this.#stream?.close();
    this.#stream = null;
    this.#showState("closed");
  }

  /** @param {string} state */
  #showState(state) {
    for (const dot of document.querySelectorAll(".live-dot")) /** @type {HTMLElement} */ (dot).dataset.state = state;
  }

  /** @param {{ created?: number }} news */
  #note({ created = 0 }) {
    this.#created += created;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#show();
    }, EVERY_MS);
  }

  async #show() {
    const announces = this.hasAttribute("noun") && this.#region?.dataset.empty === undefined;
    if (announces) this.#offer();
    else await this.#renew();
  }

  async #renew() {
    this.#created = 0;
    this.replaceChildren();
    const region = this.getAttribute("region");
    if (region) await refreshRegion(region, { morph: !this.hasAttribute("noun") });
    this.dispatchEvent(new CustomEvent("live-update", { bubbles: true }));
  }

  #offer() {
    const noun = this.getAttribute(this.#created === 1 ? "noun" : "nouns");
    const sentence = this.#created ? `${this.#created} new ${noun}` : `Some ${this.getAttribute("nouns")} have changed`;
    const button = make("button", { type: "button", class: "button" }, icon("arrow-up"), `${sentence} — show`);
    button.addEventListener("click", () => void this.#renew());
    this.replaceChildren(button);
    announce(sentence);
  }

  /** Whoever filtered, sorted or paged has just seen the newest state. */
  #settled = () => {
    this.#created = 0;
    if (this.firstElementChild) this.replaceChildren();
  };
}

customElements.define("my-live", Live);
