/** What one reader prefers in one browser: theme, density, sidebar, single-key shortcuts. Kept in cookies, which the
 * server reads, so that the first paint is already right. */

import { announce, on } from "modelyard/dom.js";

const YEAR_S = 365 * 24 * 3600;

/**
 * @param {string} name
 * @param {string} value
 */
export function remember(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `modelyard_${name}=${value}; Path=/; Max-Age=${YEAR_S}; SameSite=Lax${secure}`;
}

/** @param {string} theme light, dark or system */
function applyTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  remember("theme", theme);
  for (const choice of document.querySelectorAll("[data-set-theme]")) {
    choice.setAttribute("aria-checked", String(choice.getAttribute("data-set-theme") === theme));
  }
  document.dispatchEvent(new CustomEvent("theme-change"));
  announce(`Theme: ${theme}`);
}

export function startPreferences() {
  on("click", "[data-set-theme]", (_event, choice) => applyTheme(choice.dataset.setTheme ?? "system"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    document.dispatchEvent(new CustomEvent("theme-change"));
  });
  on("click", "[data-toggle-sidebar]", () => toggleSidebar());
}

/** Narrow the sidebar to its icons, or widen it again. */
export function toggleSidebar() {
  const { dataset } = document.documentElement;
  const collapse = dataset.sidebar !== "collapsed";
  if (collapse) dataset.sidebar = "collapsed";
  else delete dataset.sidebar;
  remember("sidebar", collapse ? "collapsed" : "open");
  for (const button of document.querySelectorAll("[data-toggle-sidebar]")) {
    button.setAttribute("aria-expanded", String(!collapse));
  }
}
