// What the page does to its document: elements made, text set, lists kept in step. Owns that nothing is ever parsed as
// HTML (names come from the network) and that what has not changed is not touched, so focus and selection survive.

/** An element with attributes (`class`, `title`, `data-…`; `text` is its text) and children. */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") write(node, value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** A button that calls `pressed`. */
export function button(text, pressed, attributes = {}) {
  const node = make("button", { type: "button", ...attributes, text });
  node.addEventListener("click", pressed);
  return node;
}

/** The element with this id, which the page has. */
export function byId(id) {
  return document.getElementById(id);
}

/** Set the text of a node that holds nothing else. */
export function write(node, text) {
  const wanted = String(text);
  const first = node.firstChild;
  if (first === null) {
    if (wanted) node.append(wanted);
  } else if (first.data !== wanted) {
    first.data = wanted;
  }
}

/** Set an attribute; null takes it away. */
export function mark(node, name, value) {
  if (value === null) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value);
  }
}

/** Show or hide. */
export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

/** A bar that is filled by this ratio; `tone` colours it. */
export class Bar {
  #fill = make("i");
  node = make("span", { class: "bar-of", "aria-hidden": "true" }, this.#fill);

  set(ratio, tone = "good") {
    const width = `${Math.round(Math.min(1, Math.max(0, ratio || 0)) * 100)}%`;
    if (this.#fill.style.width !== width) this.#fill.style.width = width;
    mark(this.node, "data-tone", tone);
  }
}

/** The children of `parent` by key. `create(key)` gives `{node, update(value)}`; a row lives as long as its key is shown. */
export class Rows {
  #rows = new Map();

  constructor(parent, create) {
    this.parent = parent;
    this.create = create;
  }

  get(key) {
    return this.#rows.get(key);
  }

  /** Show these `[key, value]` pairs, in this order. */
  show(entries) {
    const focused = document.activeElement;
    const wanted = new Set(entries.map(([key]) => key));
    for (const [key, row] of this.#rows) {
      if (!wanted.has(key)) {
        row.node.remove();
        this.#rows.delete(key);
      }
    }
    let place = this.parent.firstElementChild;
    for (const [key, value] of entries) {
      let row = this.#rows.get(key);
      if (row === undefined) {
        row = this.create(key);
        this.#rows.set(key, row);
      }
      if (row.node === place) place = place.nextElementSibling;
      else this.parent.insertBefore(row.node, place);
      row.update(value);
    }
    // A node that is moved loses the focus.
    if (focused !== document.activeElement && this.parent.contains(focused)) focused.focus({ preventScroll: true });
  }
}
