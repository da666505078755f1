// Writing into the page: only what is different, and never as markup.

export const place = (id) => document.getElementById(id);

/** Write a text only where it is another one, so that nobody is read the same thing again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Make an element: attributes by name, children that are elements or texts. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Keep the children of a list or table body to `items`: `key(item)` tells one from another, `write`
 * fills an element in that is new or was there, so that what has the focus stays.
 */
export function keep(parent, items, key, create, write) {
  const known = new Map();
  for (const child of [...parent.children]) {
    if (child.dataset.key === undefined) child.remove(); // as the server wrote it
    else known.set(child.dataset.key, child);
  }
  items.forEach((item, at) => {
    const name = String(key(item));
    let child = known.get(name);
    known.delete(name);
    if (child === undefined) {
      child = create(item);
      child.dataset.key = name;
    }
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
    write(child, item);
  });
  for (const child of known.values()) child.remove();
}

/** Draw a sparkline into an element, with what it shows in words. */
export function drawSpark(parent, { points }, words, width, height) {
  if (parent.firstChild === null) {
    const drawing = place("spark").content.firstElementChild.cloneNode(true);
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    parent.append(drawing);
  }
  const svg = parent.firstChild;
  svg.setAttribute("aria-label", words);
  svg.firstElementChild.setAttribute("points", points);
}

let unanswered = () => {};

/**
 * Ask in a dialog: { title, body, yes } -> true or false. `ready(button)` may keep the button from
 * being pressed until all is known.
 */
export function confirm({ title, body, yes, danger = false }, ready = () => {}) {
  const dialog = place("dialog");
  say(place("dialog-title"), title);
  say(place("dialog-yes"), yes);
  say(place("dialog-no"), "Cancel");
  const button = place("dialog-yes");
  button.hidden = false;
  button.disabled = false;
  button.classList.toggle("danger", danger);
  place("dialog-body").replaceChildren(...body);
  dialog.returnValue = "no";
  dialog.showModal();
  place("dialog-no").focus();
  ready(button);
  unanswered(false);
  return new Promise((resolve) => {
    unanswered = resolve;
    const closed = () => {
      if (dialog.open) return; // it is told of the dialog before, which was closed a moment ago
      dialog.removeEventListener("close", closed);
      resolve(dialog.returnValue === "yes");
    };
    dialog.addEventListener("close", closed);
  });
}
