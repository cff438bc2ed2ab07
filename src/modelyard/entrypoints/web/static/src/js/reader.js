/** What the reader is at: whether a region may change under their eyes, and how it is put back where it was. */

const WRITES = "input:not([type=checkbox]), textarea, select, [contenteditable]";

/** Whether somebody writes, or has opened something that a change would close. */
export function isBusy() {
  return Boolean(document.activeElement?.matches(WRITES) || document.querySelector("dialog[open], :popover-open"));
}

/**
 * Whether a list may change by itself: its beginning is on show, and nothing in it is ticked, marked, half written
 * or refused.
 * @param {HTMLElement} region
 */
export function isAtRest(region) {
  const frame = region.querySelector(".table-frame");
  const marked = getSelection();
  const isMarked = marked && !marked.isCollapsed && region.contains(marked.anchorNode);
  const fields = /** @type {HTMLInputElement[]} */ ([...region.querySelectorAll("input[type=search]")]);
  return (
    !isBusy() &&
    !isMarked &&
    !new URLSearchParams(location.search).has("cursor") &&
    (!frame || (frame.scrollTop === 0 && frame.getBoundingClientRect().top >= 0)) &&
    !region.querySelector(".tick:checked") &&
    fields.every((field) => field.value === field.defaultValue && !field.ariaInvalid)
  );
}

/**
 * Renew a region, and give what took their place the focus and the scroll position of its table.
 * @param {HTMLElement} region
 * @param {() => Promise<void>} renew
 */
export async function keepingPlace(region, renew) {
  const { scrollLeft = 0, scrollTop = 0 } = region.querySelector(".table-frame") ?? {};
  const held = region.contains(document.activeElement) ? document.activeElement : null;
  await renew();
  const after = document.getElementById(region.id);
  after?.querySelector(".table-frame")?.scrollTo({ left: scrollLeft, top: scrollTop, behavior: "instant" });
  if (!held || document.activeElement !== document.body) return;
  const alike = held.cloneNode();
  for (const element of /** @type {Iterable<HTMLElement>} */ (after?.querySelectorAll(held.tagName) ?? [])) {
    if (element.cloneNode().isEqualNode(alike)) return element.focus({ preventScroll: true });
  }
}
