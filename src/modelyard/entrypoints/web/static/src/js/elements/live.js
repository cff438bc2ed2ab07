/** `<my-live src="…" region="id">` hears over server-sent events that something changed; charts hear it from this.
 *
 * The region is renewed in place, at most every two seconds. With `noun` and `nouns` it is a list, which is renewed only
 * while its reader is at rest at its beginning; otherwise a pill tells the news, and shows them when it is pressed, so
 * that nothing that is ticked, marked or half written is lost. The stream closes while the tab is hidden, and goes on
 * from what was heard last; a tab that has no place for a stream asks every ten seconds. A `.live-dot` tells how it is
 * going.
 */

import { announce, icon, make } from "modelyard/dom.js";
import { hasPlace, leavePlace, onPlaces, takePlace } from "modelyard/live_places.js";
import { isAtRest, isBusy, keepingPlace } from "modelyard/reader.js";
import { refreshRegion } from "modelyard/requests.js";

const GATHERS_MS = 100;
const EVERY_MS = 2000;
const ASKS_EVERY_MS = 10_000;
// A stream that was refused, say because the server is busy, is asked for again: after so long, and then twice as long.
const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 60_000;
// A stream ends once a minute and comes back within a second, which is no news.
const LOST_AFTER_MS = 3_000;
const CONNECTED = "Live";
const LOST = "Not connected, trying again";

class Live extends HTMLElement {
  /** @type {EventSource | null} */
  #stream = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #asking;
  #retryMs = FIRST_RETRY_MS;
  #streams = false;
  #isOver = false;
  #state = "";
  #isLost = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #losing;
  #seen = "";
  #rendered = "";
  #created = 0;
  #isDue = false;
  #showsNextAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #forget = () => {};

  connectedCallback() {
    this.#rendered = this.#region?.dataset.version ?? "";
    this.#seen = this.getAttribute("since") ?? this.#rendered;
    document.addEventListener("visibilitychange", this.#follow);
    document.addEventListener("htmx:after:swap", this.#settled);
    for (const name of ["focus", "pageshow"]) window.addEventListener(name, this.#follow);
    window.addEventListener("pagehide", this.#leave);
    this.#forget = onPlaces(this.#arrange);
    this.#follow();
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.#follow);
    document.removeEventListener("htmx:after:swap", this.#settled);
    for (const name of ["focus", "pageshow"]) window.removeEventListener(name, this.#follow);
    window.removeEventListener("pagehide", this.#leave);
    this.#forget();
    this.#leave();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  get #region() {
    return document.getElementById(this.getAttribute("region") ?? "");
  }

  #follow = () => {
    if (document.hidden || this.#isOver) return this.#leave();
    takePlace();
    this.#arrange();
  };

  #leave = () => {
    leavePlace();
    this.#close();
  };

  /** Hold a stream or ask now and then, whichever there is a place for. */
  #arrange = () => {
    if (document.hidden || this.#isOver) return;
    const streams = hasPlace();
    if (streams === this.#streams && (this.#stream || this.#asking)) return;
    this.#close();
    this.#streams = streams;
    this.#open();
  };

  #open() {
    const url = new URL(this.getAttribute("src") ?? "", location.href);
    if (this.#seen) url.searchParams.set("since", this.#seen);
    if (!this.#streams) url.searchParams.set("once", "1");
    const stream = new EventSource(url);
    let hasAnswered = false;
    this.#stream = stream;
    this.#asking = undefined;
    stream.addEventListener("open", () => {
      hasAnswered = true;
      this.#retryMs = FIRST_RETRY_MS;
      this.#showState(this.#streams ? "open" : "asking");
    });
    stream.addEventListener("error", () => this.#interrupted(stream, hasAnswered));
    stream.addEventListener("change", (event) => this.#hear(event));
    stream.addEventListener("end", () => {
      this.#isOver = true;
      this.#leave();
    });
  }

  /** @param {EventSource} stream @param {boolean} hasAnswered */
  #interrupted(stream, hasAnswered) {
    // The browser comes back by itself, except when the server has refused.
    const isRefused = stream.readyState === EventSource.CLOSED;
    // Whoever only asks is answered and done.
    if (isRefused || this.#streams || !hasAnswered) this.#showState("waiting");
    if (this.#streams && !isRefused) return;
    stream.close();
    this.#asking = setTimeout(() => this.#open(), isRefused ? this.#retryMs * (1 + Math.random() / 2) : ASKS_EVERY_MS);
    if (isRefused) this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
  }

  #close() {
    this.#stream?.close();
    this.#stream = null;
    clearTimeout(this.#asking);
    this.#asking = undefined;
    this.#showState("closed");
  }

  /** @param {string} state */
  #showState(state) {
    this.#state = state;
    if (state === "waiting") this.#losing ??= setTimeout(this.#lose, LOST_AFTER_MS);
    else {
      clearTimeout(this.#losing);
      this.#losing = undefined;
      this.#isLost = false;
    }
    this.#tell();
  }

  #lose = () => {
    this.#isLost = true;
    this.#tell();
    if (document.querySelector(".live-dot")) announce(LOST);
  };

  #tell() {
    for (const dot of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".live-dot"))) {
      dot.dataset.state = this.#state;
      dot.textContent = this.#isLost ? LOST : CONNECTED;
    }
  }

  /** @param {MessageEvent} event */
  #hear({ data, lastEventId }) {
    this.#seen = lastEventId;
    if (this.#rendered && lastEventId === this.#rendered) return; // already on the page
    this.#created += JSON.parse(data).created ?? 0;
    this.#isDue = true;
    this.#plan();
  }

  #plan() {
    if (!this.#isDue || this.#timer !== undefined) return;
    const wait = Math.max(GATHERS_MS, this.#showsNextAt - performance.now());
    this.#timer = setTimeout(() => void this.#showDue(), wait);
  }

  async #showDue() {
    const isDue = this.#isDue;
    this.#isDue = false;
    try {
      if (isDue) await this.#show();
    } finally {
      this.#showsNextAt = performance.now() + EVERY_MS;
      this.#timer = undefined;
      this.#plan();
    }
  }

  /** Whether the region may change by itself. It is asked again when its renewal has come, as that takes a while. */
  #isWelcome = () => {
    const region = this.#region;
    if (!this.hasAttribute("noun")) return !isBusy();
    return !region || region.dataset.empty !== undefined || isAtRest(region);
  };

  async #show() {
    const news = this.#created && this.hasAttribute("noun") ? this.#sentence : "";
    if (this.#isWelcome() && (await this.#renew(this.#isWelcome))) {
      if (news) announce(news);
    } else if (this.hasAttribute("noun")) this.#offer();
    else this.#isDue = true;
  }

  /** Whether it was renewed. @param {() => boolean} isWelcome */
  async #renew(isWelcome = () => true) {
    const region = this.#region;
    const created = this.#created;
    let isShown = true;
    this.#created = 0;
    this.replaceChildren();
    const isList = this.hasAttribute("noun");
    const options = { url: region?.dataset.url, morph: !isList, isWelcome: () => (isShown = isWelcome()) };
    if (region && isList) await keepingPlace(region, () => refreshRegion(region.id, options));
    else if (region) await refreshRegion(region.id, options);
    if (isShown) this.dispatchEvent(new CustomEvent("live-update", { bubbles: true }));
    else this.#created += created;
    return isShown;
  }

  get #sentence() {
    const noun = this.getAttribute(this.#created === 1 ? "noun" : "nouns");
    return this.#created ? `${this.#created} new ${noun}` : `Some ${this.getAttribute("nouns")} have changed`;
  }

  #offer() {
    const sentence = this.#sentence;
    const button = make("button", { type: "button", class: "button" }, icon("arrow-up"), `${sentence} — show`);
    button.addEventListener("click", () => void this.#renew());
    this.replaceChildren(button);
    announce(sentence);
  }

  /** Whoever filtered, sorted or paged has just seen the newest state. */
  #settled = () => {
    this.#tell();
    const version = this.#region?.dataset.version ?? "";
    if (version === this.#rendered) return;
    if (version === this.#seen) this.#isDue = false;
    this.#rendered = this.#seen = version;
    this.#created = 0;
    this.replaceChildren();
  };
}

customElements.define("my-live", Live);
