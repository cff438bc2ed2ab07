/** htmx in our hands: which markup it may trust, what every request carries, and what happens when one fails. */

import htmx from "htmx.org";

import { csrfToken } from "modelyard/dom.js";
import { showToast } from "modelyard/toasts.js";

const UNREACHABLE = "The server did not answer. Nothing was changed; try again in a moment.";

/** htmx only asks our own origin (mode "same-origin"), so its markup is the server's; scripts in it never run. */
function trustedMarkup() {
  const rules = { createHTML: (/** @type {string} */ markup) => markup, createScript: () => "" };
  return "trustedTypes" in window ? window.trustedTypes.createPolicy("modelyard", rules) : rules;
}

/** Expressions in attributes are not used; the content policy would refuse them anyway. */
function refuseToEvaluate() {
  throw new Error("Expressions in htmx attributes are switched off.");
}

/**
 * What the reader has unfolded or folded stays so when its region is renewed.
 * @param {Element} element
 * @param {{ attrName: string }} change
 */
function mayChange(element, { attrName }) {
  return attrName !== "open" || !element.matches("details");
}

/** Empty fields of a filter form would only lengthen the address. */
function dropEmptyFields(/** @type {FormData} */ body) {
  for (const [name, value] of [...body.entries()]) {
    if (value === "" && body.getAll(name).length === 1) body.delete(name);
  }
}

export function startRequests() {
  htmx.registerExtension("modelyard", {
    init: (/** @type {any} */ api) => api.initSecurity(trustedMarkup(), refuseToEvaluate, refuseToEvaluate),
    htmx_before_morph_attr: mayChange,
  });
  document.addEventListener("htmx:config:request", (/** @type {any} */ event) => {
    const { request } = event.detail.ctx;
    if (request.method === "GET") dropEmptyFields(request.body);
    else request.headers["X-CSRF-Token"] = csrfToken();
  });
  document.addEventListener("htmx:before:swap", (/** @type {any} */ event) => {
    if (event.detail.ctx.isWelcome?.() === false) event.preventDefault();
  });
  document.addEventListener("htmx:error", () => showToast(UNREACHABLE, { failed: true }));
}

/**
 * Load a region of this very page again from the server.
 * @param {string} id
 * @param {{ url?: string, morph?: boolean, isWelcome?: () => boolean }} [options] `morph` keeps focus, scroll positions
 *   and charts where they are; `isWelcome` is asked once the answer has come, and without its leave nothing changes.
 */
export async function refreshRegion(id, { url = location.pathname + location.search, morph = false, isWelcome } = {}) {
  const target = document.getElementById(id);
  const swap = morph ? "outerMorph" : "outerHTML";
  if (target) await htmx.ajax("GET", url, { source: target, target, swap, isWelcome });
}
