// Helper functions for elements and for the texts in them.

const byId = (id) => document.getElementById(id);

/** Create an element with properties, attributes (names with a dash) and children. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** A size as text: "11.8 MB". */
function sizeWords(bytes) {
  if (bytes === null || bytes === undefined) return "size unknown";
  for (const [unit, factor] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (bytes >= factor) return `${(bytes / factor).toFixed(1)} ${unit}`;
  }
  return `${bytes} B`;
}

/** Let the browser save a blob as a file. */
function saveAs(blob, filename) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: filename }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Convert base64 text to a blob. */
function blobOf(base64, type) {
  return new Blob([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], { type });
}

/** Show why something cannot be used now; hide the text if it is empty. */
function showReason(id, words) {
  byId(id).textContent = words;
  byId(id).hidden = words === "";
}

/** Return a function that calls `action` once, `ms` after the last of several calls. */
function debounced(action, ms) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, ms);
  };
}
