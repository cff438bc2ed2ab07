/** Which tabs of this browser may hold an event stream. A stream keeps a connection, and over HTTP/1.1 a browser opens
 * six to a server for all its tabs, so that only the tabs that were looked at last have a place; the others ask now and
 * then. The list is kept in the browser's storage, as web locks exist over HTTPS only. */

const KEY = "modelyard-live-tabs";
const PLACES = 3;
const tab = `${Date.now()}-${Math.random()}`;

/** @returns {string[]} */
function tabs() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "[]");
  } catch {
    return Array(PLACES).fill(""); // without storage nobody has a place
  }
}

/** @param {string[]} list */
function keep(list) {
  try {
    localStorage.setItem(KEY, JSON.stringify(list.slice(0, PLACES)));
  } catch {
    // Nothing can be kept, and nobody has a place.
  }
}

/** Have the first place; the tab that was looked at longest ago loses its own. */
export function takePlace() {
  keep([tab, ...tabs().filter((other) => other !== tab)]);
}

export function leavePlace() {
  if (tabs().includes(tab)) keep(tabs().filter((other) => other !== tab));
}

/** Whether this tab has a place. One that another tab has left is taken. */
export function hasPlace() {
  if (tabs().length < PLACES && !tabs().includes(tab)) keep([...tabs(), tab]);
  return tabs().includes(tab);
}

/** @param {() => void} listener is called when another tab took or left a place */
export function onPlaces(listener) {
  const hear = (/** @type {StorageEvent} */ event) => {
    if (event.key === KEY || event.key === null) listener();
  };
  window.addEventListener("storage", hear);
  return () => window.removeEventListener("storage", hear);
}
