/** The entry module of every page. Elements that only some pages use are loaded when one of theirs appears. */

import "modelyard/elements/copy.js";
import "modelyard/elements/menu.js";

import { startDialogs } from "modelyard/dialogs.js";
import { startMlflowLinks } from "modelyard/mlflow_links.js";
import { startPreferences } from "modelyard/preferences.js";
import { startForgetting } from "modelyard/remembered.js";
import { startRequests } from "modelyard/requests.js";
import { startShortcuts } from "modelyard/shortcuts.js";
import { startTimes } from "modelyard/times.js";
import { startToasts } from "modelyard/toasts.js";

/** @type {Record<string, () => Promise<unknown>>} */
const ISLANDS = {
  "my-chart": () => import("modelyard/elements/chart.js"),
  "my-columns": () => import("modelyard/elements/columns.js"),
  "my-filter": () => import("modelyard/elements/filter.js"),
  "my-live": () => import("modelyard/elements/live.js"),
  "my-narrow": () => import("modelyard/elements/narrow.js"),
  "my-presets": () => import("modelyard/elements/presets.js"),
  "my-selection": () => import("modelyard/elements/selection.js"),
  "my-slug": () => import("modelyard/elements/slug.js"),
  "my-upload": () => import("modelyard/elements/upload.js"),
};

function loadIslands() {
  for (const [tag, load] of Object.entries(ISLANDS)) {
    if (!customElements.get(tag) && document.querySelector(tag)) void load();
  }
}

startMlflowLinks();
startRequests();
startToasts();
startDialogs();
startPreferences();
startForgetting();
startShortcuts();
startTimes();
loadIslands();
document.addEventListener("htmx:after:swap", loadIslands);
