/** `<my-upload action="…/">` sends files one after the other with PUT, each under its own name, and shows how far it is.
 * Files are dropped on it or chosen with its button. When all are sent, the page shows them. */

import { announce, csrfToken, make } from "modelyard/dom.js";

/** @param {number} bytes */
function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

class Upload extends HTMLElement {
  connectedCallback() {
    this.addEventListener("change", this.#chosen);
    this.addEventListener("dragover", this.#over);
    this.addEventListener("dragleave", this.#out);
    this.addEventListener("drop", this.#dropped);
    this.addEventListener("click", this.#pressed);
  }

  get #zone() {
    return /** @type {HTMLElement | null} */ (this.querySelector(".drop-zone"));
  }

  get #field() {
    return /** @type {HTMLInputElement | null} */ (this.querySelector('input[type="file"]'));
  }

  #pressed = (/** @type {Event} */ event) => {
    if (event.target instanceof Element && event.target.closest("[data-choose]")) this.#field?.click();
  };

  #chosen = (/** @type {Event} */ event) => {
    if (event.target === this.#field) void this.#sendAll([...(this.#field?.files ?? [])]);
  };

  #over = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    if (this.#zone) this.#zone.dataset.over = "";
  };

  #out = () => {
    delete this.#zone?.dataset.over;
  };

  #dropped = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    this.#out();
    void this.#sendAll([...(event.dataTransfer?.files ?? [])]);
  };

  /** @param {File[]} files */
  async #sendAll(files) {
    let failed = 0;
    for (const file of files) failed += Number(!(await this.#send(file)));
    announce(failed ? `${failed} of ${files.length} files were not uploaded.` : `${files.length} files uploaded.`);
    if (files.length && !failed) location.reload();
  }

  /**
   * @param {File} file
   * @returns {Promise<boolean>} whether the server has it
   */
  #send(file) {
    const progress = /** @type {HTMLProgressElement} */ (make("progress", { max: file.size || 1, value: 0 }));
    const state = make("span", { class: "subtle number" }, megabytes(file.size));
    const item = make("li", { class: "upload-item" }, make("span", {}, file.name), state, progress);
    progress.setAttribute("aria-label", file.name);
    this.querySelector(".upload-list")?.append(item);
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open("PUT", `${this.getAttribute("action")}${encodeURIComponent(file.name)}`);
      request.setRequestHeader("X-CSRF-Token", csrfToken());
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.upload.addEventListener("progress", ({ loaded }) => {
        progress.value = loaded;
        state.textContent = `${megabytes(loaded)} of ${megabytes(file.size)}`;
      });
      request.addEventListener("loadend", () => {
        const done = request.status >= 200 && request.status < 300;
        item.dataset.state = done ? "done" : "failed";
        state.textContent = done ? megabytes(file.size) : failure(request);
        resolve(done);
      });
      request.send(file);
    });
  }
}

/** @param {XMLHttpRequest} request */
function failure(request) {
  if (!request.status) return "The connection broke. Choose the file again.";
  return request.getResponseHeader("Content-Type")?.startsWith("text/plain")
    ? request.responseText
    : `The server refused the file (${request.status}).`;
}

customElements.define("my-upload", Upload);
