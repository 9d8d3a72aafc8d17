// Short words for the page's elements and for what is shown in them.

const byId = (id) => document.getElementById(id);

/** A new element with properties, attributes (names with a dash) and children. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** A size for people: "11.8 MB". */
function sizeWords(bytes) {
  if (bytes === null || bytes === undefined) return "size unknown";
  for (const [unit, factor] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (bytes >= factor) return `${(bytes / factor).toFixed(1)} ${unit}`;
  }
  return `${bytes} B`;
}

/** Have the browser save a blob as a file. */
function saveAs(blob, filename) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: filename }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The bytes of a base64 text as a blob. */
function blobOf(base64, type) {
  return new Blob([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], { type });
}

/** Show why something can do nothing now; no words: nothing is wrong. */
function showReason(id, words) {
  byId(id).textContent = words;
  byId(id).hidden = words === "";
}

/** Call `action` once, `ms` after the last of many calls. */
function debounced(action, ms) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, ms);
  };
}
