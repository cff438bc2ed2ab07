/** The columns that were chosen for a table are remembered in a cookie of its address, which the server reads. They name
 * what was logged, so that signing out forgets them: which addresses have one is kept in the browser's storage. */

import { on } from "modelyard/dom.js";

const KEY = "modelyard-column-addresses";
const YEAR_S = 365 * 24 * 3600;
const MOST_CHARACTERS = 3500;

/** @returns {string[]} */
function addresses() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "[]");
  } catch {
    return [];
  }
}

/** @param {string[]} list */
function keep(list) {
  try {
    localStorage.setItem(KEY, JSON.stringify(list));
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {string} path
 * @param {string} value
 * @param {number} age
 */
function setCookie(path, value, age) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `modelyard_columns=${value}; Path=${path}; Max-Age=${age}; SameSite=Lax${secure}`;
}

/**
 * Whether they could be remembered; if not, what was chosen before still is.
 * @param {string} path
 * @param {string[]} columns none to forget the choice
 */
export function rememberColumns(path, columns) {
  const value = columns.map(encodeURIComponent).join(",");
  if (value.length > MOST_CHARACTERS) return false;
  const others = addresses().filter((other) => other !== path);
  if (!keep(value ? [...others, path] : others) && value) return false; // it could not be forgotten
  setCookie(path, value, value ? YEAR_S : 0);
  return true;
}

export function startForgetting() {
  on("submit", 'form[action="/users/sign_out"]', () => {
    for (const path of addresses()) setCookie(path, "", 0);
    keep([]);
  });
}
