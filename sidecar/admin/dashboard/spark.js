// A line of the last minutes, drawn as SVG. Owns the points it has been given and nothing else.

const POINTS = 150;
const WIDTH = 150;
const HEIGHT = 30;
const SVG = "http://www.w3.org/2000/svg";

function shape(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** The line. `add` takes a number, or null for a gap. */
export class Spark {
  #points = [];
  #line = shape("path", { class: "line" });
  #area = shape("path", { class: "area" });
  node = shape("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });

  constructor() {
    this.node.append(this.#area, this.#line);
  }

  add(value) {
    this.#points.push(value);
    if (this.#points.length > POINTS) this.#points.shift();
    this.#draw();
  }

  #draw() {
    const highest = Math.max(...this.#points.map((value) => value ?? 0), Number.MIN_VALUE);
    const from = POINTS - this.#points.length;
    let line = "";
    let area = "";
    let begun = null;
    this.#points.forEach((value, at) => {
      if (value === null) {
        begun = null;
        return;
      }
      const x = ((from + at) / (POINTS - 1)) * WIDTH;
      const y = (HEIGHT - 1 - (value / highest) * (HEIGHT - 3)).toFixed(2);
      line += `${begun === null ? "M" : "L"}${x.toFixed(2)} ${y}`;
      area += begun === null ? `M${x.toFixed(2)} ${HEIGHT}L${x.toFixed(2)} ${y}` : `L${x.toFixed(2)} ${y}`;
      begun = x;
      const next = this.#points[at + 1];
      if (next === null || next === undefined) area += `L${x.toFixed(2)} ${HEIGHT}Z`;
    });
    this.#line.setAttribute("d", line);
    this.#area.setAttribute("d", area);
  }
}
