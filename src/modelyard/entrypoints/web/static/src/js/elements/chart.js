/** `<my-chart src="…" label="loss">` draws one metric over its steps: a line of last values and the band between the
 * smallest and the largest value of each bucket. The server reduces, for the range that is visible; this only draws.
 *
 * Drag to zoom, double-click to see everything. With the keyboard: arrows move the cursor, Home and End go to the ends,
 * + and - zoom around the cursor, 0 resets, `t` shows the same numbers as a table. Buttons of the surrounding
 * `.chart-card` do the same: `data-chart="log"`, `"table"`, `"reset"`.
 */

import uPlot from "uplot";

import { announce, make } from "modelyard/dom.js";
import { formatValue } from "modelyard/numbers.js";

/** @typedef {{ x: number[], last: (number | null)[], min: (number | null)[], max: (number | null)[],
 *   points: number, unplotted: number, latest: { text: string, exact: string, summary: string } | null }} Series */

const HEIGHT_PX = 196;
const MARKERS_UP_TO = 60;
const TABLE_ROWS = 25;
const ZOOM = 0.5;
const NEIGHBOURHOOD = 0.1;
const reach = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) /** @type {Chart} */ (entry.target).isNear = entry.isIntersecting;
  },
  { rootMargin: "200px" },
);

/** Canvas needs real colours, and `light-dark()` is only resolved on an element. @param {string} token */
function colour(token, alpha = 1) {
  const probe = make("span", { hidden: true });
  document.body.append(probe);
  probe.style.color = alpha === 1 ? `var(${token})` : `color-mix(in srgb, var(${token}) ${alpha * 100}%, transparent)`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

class Chart extends HTMLElement {
  /** @type {uPlot | null} */
  #plot = null;
  /** @type {Series | null} */
  #series = null;
  /** @type {[number, number] | null} */
  #range = null;
  #log = false;
  #isNear = false;
  #isDue = true;
  /** @type {AbortController | null} */
  #fetching = null;
  #drawnForm = "";
  #tip = make("dl", { class: "chart-tip", hidden: true });
  #resize = new ResizeObserver(() => this.#plot?.setSize(this.#size));

  connectedCallback() {
    this.tabIndex = 0;
    this.setAttribute("role", "img");
    this.setAttribute("aria-roledescription", "line chart");
    reach.observe(this);
    this.#resize.observe(this);
    this.addEventListener("keydown", this.#key);
    this.#card?.addEventListener("click", this.#control);
    document.addEventListener("theme-change", this.#draw);
    document.addEventListener("live-update", this.#reload);
  }

  disconnectedCallback() {
    reach.unobserve(this);
    this.#resize.disconnect();
    this.removeEventListener("keydown", this.#key);
    this.#card?.removeEventListener("click", this.#control);
    document.removeEventListener("theme-change", this.#draw);
    document.removeEventListener("live-update", this.#reload);
    this.#fetching?.abort();
    this.#isDue = true;
    this.#plot?.destroy();
    this.#plot = null;
  }

  get #card() {
    return this.closest(".chart-card");
  }

  get #label() {
    return this.getAttribute("label") ?? "value";
  }

  get #size() {
    const style = getComputedStyle(this);
    return {
      width: Math.max(120, this.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)),
      height: HEIGHT_PX,
    };
  }

  /** Whether it is on show or nearly so; what is out of reach or in a closed group waits. */
  set isNear(/** @type {boolean} */ isNear) {
    this.#isNear = isNear;
    this.#catchUp();
  }

  #reload = () => {
    this.#isDue = true;
    this.#catchUp();
  };

  #catchUp() {
    if (this.#isNear && this.#isDue && !this.#fetching) void this.#fetch();
  }

  /** One request at a time: a new range takes the place of what was under way. */
  async #fetch() {
    this.#fetching?.abort();
    const fetching = new AbortController();
    this.#fetching = fetching;
    this.#isDue = false;
    const series = await this.#ask(fetching.signal).catch(() => null);
    if (this.#fetching !== fetching) return;
    this.#fetching = null;
    if (series) this.#show(series);
    else this.#complain();
  }

  /** @param {AbortSignal} signal @returns {Promise<Series>} */
  async #ask(signal) {
    const url = new URL(this.getAttribute("src") ?? "", location.href);
    const [from, to] = this.#range ?? [];
    const wanted = { buckets: Math.min(1000, Math.round(this.#size.width)), from, to };
    for (const [name, value] of Object.entries(wanted)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const answer = await fetch(url, { headers: { Accept: "application/json" }, signal });
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.json();
  }

  /** What was drawn stays; the sentence stands beside it, as the inside of an image is not read out. */
  #complain() {
    this.#isDue = true;
    const points = this.#plot ? "newest points" : "points";
    const sentence = `The ${points} of ${this.#label} could not be loaded. Reload the page to try again.`;
    const note = this.#card?.querySelector("[data-chart-note]");
    if (note) note.textContent = sentence;
    if (document.activeElement === this) announce(sentence);
  }

  /** The card's head keeps up with the curve. A part of the curve does not say what lies between its extremes. */
  #showLatest() {
    const latest = this.#series?.latest;
    const number = this.#card?.querySelector(".chart-last .number");
    if (!latest || !number) return;
    number.textContent = latest.text;
    number.setAttribute("title", latest.exact);
    if (!this.#range) this.setAttribute("aria-label", latest.summary);
  }

  /** @param {string} sentence */
  #say(sentence) {
    this.#plot?.destroy();
    this.#plot = null;
    this.replaceChildren(make("p", { class: "chart-note" }, sentence));
    if (document.activeElement === this) announce(sentence);
  }

  /** New points go into the drawing that is there if they can, so that the cursor and a range being drawn stay. */
  #show(/** @type {Series} */ series) {
    this.#series = series;
    if (this.#plot && this.#isDrawable && this.#form === this.#drawnForm) {
      const step = this.#pointedAt;
      this.#plot.setData(/** @type {any} */ (this.#columns()));
      this.#pointAgain(step);
      this.#showFacts();
    } else this.#draw();
    this.#showLatest();
    this.#catchUp();
  }

  get #isDrawable() {
    return Boolean(this.#series?.last.some((value) => value !== null));
  }

  /** What a drawing cannot change afterwards. */
  get #form() {
    const { length } = /** @type {Series} */ (this.#series).x;
    return JSON.stringify([this.#yScale(), length === 1, length <= MARKERS_UP_TO]);
  }

  #draw = () => {
    if (!this.#series) return;
    this.#showFacts();
    if (!this.#isDrawable) {
      const { points, unplotted } = this.#series;
      this.#say(points ? `No finite value lies in this range (${unplotted} NaN or infinite).` : "No point lies in this range.");
      return;
    }
    const step = this.#pointedAt;
    this.#plot?.destroy();
    this.replaceChildren(this.#tip);
    this.#drawnForm = this.#form;
    this.#plot = new uPlot(this.#options(), /** @type {any} */ (this.#columns()), this);
    this.#pointAgain(step);
  };

  #showFacts() {
    this.#showNote();
    if (!this.#tableBox?.hidden) this.#fillTable();
  }

  /** The step that the cursor stands at. */
  get #pointedAt() {
    const index = this.#plot?.cursor.idx;
    return this.#tip.hidden || index === null || index === undefined ? null : this.#plot?.data[0][index] ?? null;
  }

  /** Put the cursor back, once uPlot knows its scales; not while a range is being drawn. @param {number | null} step */
  #pointAgain(step) {
    queueMicrotask(() => {
      if (step === null || !this.#plot || !this.#series || this.#plot.select.width) return;
      this.#pointAt(Math.max(0, this.#series.x.findLastIndex((other) => other <= step)));
    });
  }

  /** What cannot stand on a logarithmic axis is left out of the drawing, and said. */
  #columns() {
    const { x, last, min, max } = /** @type {Series} */ (this.#series);
    const fit = (/** @type {(number | null)[]} */ values) =>
      this.#log ? values.map((value) => (value !== null && value > 0 ? value : null)) : values;
    return [x, fit(max), fit(min), fit(last)];
  }

  #showNote() {
    const note = this.#card?.querySelector("[data-chart-note]");
    if (!note) return;
    const { last, unplotted } = /** @type {Series} */ (this.#series);
    const below = this.#log ? last.filter((value) => value !== null && value <= 0).length : 0;
    const parts = [];
    // Where nothing is drawn, that is said in the place of the drawing.
    if (unplotted && this.#isDrawable) parts.push(`Not drawn: ${unplotted} NaN or infinite`);
    if (below) parts.push(`Not on a log axis: ${below} at or below zero`);
    note.textContent = parts.join("; ");
  }

  #options() {
    const [ink, grid, text] = [colour("--chart-1"), colour("--chart-grid"), colour("--muted")];
    const { x } = /** @type {Series} */ (this.#series);
    const isAlone = x.length === 1;
    const axis = { stroke: text, font: "11px 'Inter Variable', sans-serif", grid: { stroke: grid, width: 1 } };
    const ticks = { stroke: grid, width: 1, size: 4 };
    return {
      ...this.#size,
      padding: [8, 18, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 7 }, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: false, range: this.#xRange }, y: this.#yScale() },
      axes: [
        {
          ...axis, ticks, size: 28, ...(isAlone && { splits: () => x }),
          values: (/** @type {uPlot} */ _, /** @type {number[]} */ at) => at.map(stepLabel),
        },
        { ...axis, ticks, size: 52, values: (/** @type {uPlot} */ _, /** @type {number[]} */ at) => at.map(tickLabel) },
      ],
      series: [
        {},
        { label: "max", stroke: "transparent", points: { show: false } },
        { label: "min", stroke: "transparent", points: { show: false } },
        {
          label: this.#label, stroke: ink, width: 1.5,
          points: { show: x.length <= MARKERS_UP_TO, size: isAlone ? 10 : 4, fill: ink },
        },
      ],
      bands: [{ series: [1, 2], fill: colour("--chart-1", 0.18) }],
      hooks: { setCursor: [this.#point], setSelect: [this.#selected], ready: [this.#ready] },
    };
  }

  /** A single step stands in the middle: left to itself, uPlot draws it at the edge of 0 to 100. */
  #xRange = (/** @type {uPlot} */ _plot, /** @type {number} */ low, /** @type {number} */ high) => {
    const { x } = /** @type {Series} */ (this.#series);
    return x.length === 1 ? [x[0] - 1, x[0] + 1] : [low, high];
  };

  /** One value, however often, stands in the middle of its neighbours. @returns {uPlot.Scale} */
  #yScale() {
    if (this.#log) return { distr: 3 };
    const { min, max } = /** @type {Series} */ (this.#series);
    const values = [...min, ...max].filter((value) => value !== null);
    const value = values[0];
    if (values.some((other) => other !== value)) return { distr: 1 };
    const around = Math.abs(value) * NEIGHBOURHOOD || 1;
    return { distr: 1, range: [value - around, value + around] };
  }

  #ready = (/** @type {uPlot} */ plot) => {
    plot.over.addEventListener("dblclick", () => this.#zoomTo(null));
  };

  #selected = (/** @type {uPlot} */ plot) => {
    const { left, width } = plot.select;
    if (width < 4) return;
    const range = /** @type {[number, number]} */ ([plot.posToVal(left, "x"), plot.posToVal(left + width, "x")]);
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#zoomTo(range);
  };

  /** @param {[number, number] | null} range */
  #zoomTo(range) {
    this.#range = range ? [Math.floor(range[0]), Math.ceil(range[1])] : null;
    const reset = this.#card?.querySelector('[data-chart="reset"]');
    if (reset instanceof HTMLElement) reset.hidden = !range;
    void this.#fetch();
  }

  #point = (/** @type {uPlot} */ plot) => {
    const { idx, left } = plot.cursor;
    const shown = idx !== null && idx !== undefined && left !== undefined && left >= 0;
    this.#tip.hidden = !shown;
    if (!shown) return;
    this.#tip.replaceChildren(
      ...this.#facts(idx).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]),
    );
    const x = left + plot.over.offsetLeft;
    const beyond = x + this.#tip.offsetWidth + 24 > this.clientWidth;
    this.#tip.style.left = `${beyond ? x - this.#tip.offsetWidth - 8 : x + 16}px`;
  };

  /**
   * Name and value of what stands at one place of the curve.
   * @param {number} index
   * @returns {[string, string][]}
   */
  #facts(index) {
    const { x, last, min, max } = /** @type {Series} */ (this.#series);
    const facts = /** @type {[string, string][]} */ ([
      ["step", x[index].toLocaleString("en")],
      [this.#label, formatValue(last[index])],
    ]);
    if (min[index] !== max[index]) facts.push(["range", `${formatValue(min[index])} – ${formatValue(max[index])}`]);
    return facts;
  }

  #key = (/** @type {KeyboardEvent} */ event) => {
    const plot = this.#plot;
    if (!plot || !this.#series || event.target !== this) return;
    const end = this.#series.x.length - 1;
    const at = plot.cursor.idx ?? 0;
    const page = Math.max(1, Math.round(end / 10));
    const moves = {
      ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: end, PageDown: at + page, PageUp: at - page,
    };
    if (event.key in moves) this.#moveTo(Math.min(end, Math.max(0, moves[/** @type {keyof moves} */ (event.key)])));
    else if (event.key === "+") this.#zoomAround(this.#series.x[at], ZOOM);
    else if (event.key === "-") this.#zoomAround(this.#series.x[at], 1 / ZOOM);
    else if (event.key === "0") this.#zoomTo(null);
    else if (event.key === "t") this.#toggle("table");
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  /** @param {number} index */
  #pointAt(index) {
    const plot = /** @type {uPlot} */ (this.#plot);
    const { x } = /** @type {Series} */ (this.#series);
    plot.setCursor({ left: plot.valToPos(x[index], "x"), top: plot.over.clientHeight / 2 });
  }

  /** @param {number} index */
  #moveTo(index) {
    this.#pointAt(index);
    announce(this.#facts(index).map((fact) => fact.join(" ")).join(", "));
  }

  /**
   * @param {number} middle
   * @param {number} factor
   */
  #zoomAround(middle, factor) {
    const { min = 0, max = 1 } = /** @type {uPlot} */ (this.#plot).scales.x;
    const half = (((max ?? 1) - (min ?? 0)) / 2) * factor;
    this.#zoomTo([middle - half, middle + half]);
  }

  #control = (/** @type {Event} */ event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-chart]") : null;
    if (button instanceof HTMLElement) this.#toggle(button.dataset.chart ?? "");
  };

  /** @param {string} what */
  #toggle(what) {
    if (what === "reset") {
      this.#zoomTo(null);
      return;
    }
    const button = this.#card?.querySelector(`[data-chart="${what}"]`);
    const pressed = button?.getAttribute("aria-pressed") !== "true";
    button?.setAttribute("aria-pressed", String(pressed));
    if (what === "log") {
      this.#log = pressed;
      this.#draw();
    }
    if (what === "table" && this.#tableBox) {
      this.#tableBox.hidden = !pressed;
      if (pressed) this.#fillTable();
    }
  }

  get #tableBox() {
    const box = this.#card?.querySelector("[data-chart-table]");
    return box instanceof HTMLElement ? box : null;
  }

  /** The same numbers in at most 25 rows, evenly chosen, the last one included. */
  #fillTable() {
    if (!this.#series) return;
    const count = this.#series.x.length;
    const rows = Math.min(count, TABLE_ROWS);
    const chosen = Array.from({ length: rows }, (_, row) => Math.round((row * (count - 1)) / Math.max(1, rows - 1)));
    const { x, last, min, max } = this.#series;
    const body = chosen.map((index) =>
      make(
        "tr",
        {},
        make("th", { scope: "row", class: "num" }, x[index].toLocaleString("en")),
        ...[last, min, max].map((values) => make("td", { class: "num" }, formatValue(values[index]))),
      ),
    );
    const head = ["Step", "Last", "Min", "Max"].map((name) => make("th", { scope: "col", class: "num" }, name));
    this.#tableBox?.replaceChildren(
      make("table", { class: "table" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body)),
    );
  }
}

/** @param {number} step */
function stepLabel(step) {
  if (!Number.isInteger(step)) return "";
  return Math.abs(step) >= 10_000 ? `${step / 1000}k` : step.toLocaleString("en");
}

/** @param {number | null} value */
function tickLabel(value) {
  return value === null ? "" : formatValue(value).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

customElements.define("my-chart", Chart);
