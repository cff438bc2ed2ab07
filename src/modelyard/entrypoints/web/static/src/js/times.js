/** Keeps "3 minutes ago" true while a page stays open, and shows the reader's own time zone on hover. */

const UNITS = /** @type {[number, string][]} */ ([
  [31_556_952, "year"],
  [2_629_746, "month"],
  [86_400, "day"],
  [3600, "hour"],
  [60, "minute"],
]);
const EVERY_MS = 30_000;
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/**
 * The same words as the server's.
 * @param {Date} moment
 * @param {Date} now
 */
export function relative(moment, now) {
  const seconds = (moment.getTime() - now.getTime()) / 1000;
  const distance = Math.abs(seconds);
  for (const [size, name] of UNITS) {
    if (distance < size) continue;
    const count = Math.floor(distance / size);
    const amount = `${count} ${name}${count === 1 ? "" : "s"}`;
    return seconds < 0 ? `${amount} ago` : `in ${amount}`;
  }
  return seconds < 0 ? "just now" : "in a moment";
}

function refresh() {
  const now = new Date();
  for (const element of document.querySelectorAll("time[data-relative]")) {
    const moment = new Date(/** @type {HTMLTimeElement} */ (element).dateTime);
    element.textContent = relative(moment, now);
    element.setAttribute("title", absolute.format(moment));
  }
}

export function startTimes() {
  refresh();
  setInterval(() => document.hidden || refresh(), EVERY_MS);
  document.addEventListener("htmx:after:swap", refresh);
}
