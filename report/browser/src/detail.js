// One picture, opened: the map over it, its frames, and all that is said of it.

import { $, make, printable } from "./dom.js";
import { paintGrey, paintMap, paintScale, topOf } from "./paint.js";
import { Placement } from "./placement.js";
import { REMARKS } from "./remarks.js";
import { isUnlike, setText } from "./table.js";

const MAP = 512; // pixels of the square in which a map is painted

export class Detail {
  // changed: called after the reader has put another frame into the table.
  constructor(about, runner, changed) {
    this.about = about;
    this.runner = runner;
    this.changed = changed;
    this.list = [];
    this.place = 0;
    this.asked = 0;
    this.seen = null; // what is said of the frame that is shown
    this.begin();
  }

  begin() {
    const fade = () => {
      $("over").style.opacity = $("opacity").value / 100;
    };
    $("opacity").addEventListener("input", fade);
    fade();
    paintScale($("scale"), this.about.colours);
    $("frame").addEventListener("input", () => this.view(Number($("frame").value)));
    $("previous").addEventListener("click", () => this.move(-1));
    $("next").addEventListener("click", () => this.move(1));
    $("close").addEventListener("click", () => $("detail").close());
    $("take").addEventListener("click", () => this.take());
    $("detail").addEventListener("keydown", (event) => {
      if (event.target.matches("select, input")) return;
      if (event.key === "ArrowLeft") this.move(-1);
      if (event.key === "ArrowRight") this.move(1);
    });
  }

  get item() {
    return this.list[this.place];
  }

  move(step) {
    if (this.list[this.place + step]) this.show(this.list, this.place + step);
  }

  show(list, place) {
    this.list = list;
    this.place = place;
    const { name, result } = this.item;
    $("name").textContent = printable(name);
    $("place").textContent = `${place + 1} of ${list.length}`;
    $("previous").disabled = place === 0;
    $("next").disabled = place === list.length - 1;
    $("frames").hidden = result.frames === 1;
    $("frame").max = result.frames - 1;
    $("frame").value = result.frame;
    this.tell(result);
    $("picture").width = 0; // until its pixels are read again
    $("over").width = 0;
    if (!$("detail").open) $("detail").showModal();
    return this.view(result.frame);
  }

  // Read a frame again, whole, and ask the model about it.
  async view(frame) {
    const { item } = this;
    const asked = ++this.asked;
    $("frame-name").textContent = `Frame ${frame + 1} of ${item.result.frames}`;
    $("reading").textContent = "reading the picture";
    $("take").hidden = true; // what is shown is still the frame before
    try {
      const seen = await this.runner.view(item, frame);
      if (asked !== this.asked) return;
      $("reading").textContent = "";
      this.seen = seen;
      this.tell(seen);
      this.draw(seen);
    } catch (error) {
      if (asked === this.asked) this.blank(`not shown: ${error.message}`);
    }
  }

  // Nothing of the frame before may stand under the name of another.
  blank(words) {
    $("reading").textContent = words;
    for (const id of ["picture", "over"]) $(id).width = 0;
    for (const id of ["headline", "facts", "top"]) $(id).replaceChildren();
    $("unlike").hidden = true;
  }

  draw({ grey, width, height, map }) {
    const { preprocessing, size, grid, colours, least_top } = this.about;
    paintGrey($("picture"), grey, width, height);
    const square = make("canvas", null, { width: MAP, height: MAP });
    const top = topOf(map, least_top);
    paintMap(square, map, grid, top, colours);
    const { border, stretch } = preprocessing;
    const { crop, ...placed } = new Placement(width, height, size, border, stretch);
    const over = $("over");
    const scale = (2 * MAP) / Math.max(width, height);
    over.width = Math.max(1, Math.round(width * scale));
    over.height = Math.max(1, Math.round(height * scale));
    const from = [placed.left, placed.top, placed.width, placed.height];
    const to = [crop.left, crop.top, crop.width, crop.height];
    const fromSquare = from.map((edge) => (edge * MAP) / size);
    const toPicture = to.map((edge) => edge * scale);
    over.getContext("2d").drawImage(square, ...fromSquare, ...toPicture);
    $("stack").style.aspectRatio = `${width} / ${height}`;
    $("top").textContent = `${top.toFixed(1)} or more`;
  }

  // What is said of the frame that is shown.
  tell(result) {
    const { classes, threshold, level } = this.about;
    const { probabilities, predicted, set, distance, remarks, frame, frames } = result;
    const positive = `P(${classes.at(-1)}) ${probabilities.at(-1).toFixed(3)}`;
    const limit = classes.length === 2 ? `, threshold ${threshold.toFixed(3)}` : "";
    $("headline").textContent = `${classes[predicted]}: ${positive}${limit}`;
    const facts = [["predicted", classes[predicted]]];
    facts.push(...classes.map((name, i) => [`P(${name})`, probabilities[i].toFixed(4)]));
    if (classes.length === 2) facts.push([`threshold of ${classes[1]}`, threshold.toFixed(4)]);
    if (set !== null) {
      facts.push([`set at ${100 * level} %`, setText({ result }, classes)]);
    }
    if (distance !== null) {
      facts.push(["distance from the training images, limit 1", distance.toFixed(2)]);
    }
    facts.push(["size", `${result.height} x ${result.width} px (height x width)`]);
    facts.push(...remarks.map((name) => ["remark", `${REMARKS[name][0]}: ${REMARKS[name][2]}`]));
    $("facts").replaceChildren(...facts.map(([name, value]) => fact(name, value)));
    $("unlike").hidden = !isUnlike({ result });
    const kept = this.item.result.frame;
    $("take").hidden = frames === 1 || frame === kept;
    $("kept").textContent = frames > 1 ? `The table has frame ${kept + 1}.` : "";
  }

  // Put the frame that is shown into the table.
  take() {
    const { grey, ...result } = this.seen;
    this.item.result = result;
    this.item.thumbnails = null;
    this.tell(result);
    this.changed();
  }
}

function fact(name, value) {
  const line = make("tr", null);
  line.append(make("th", name, { scope: "row" }), make("td", value));
  return line;
}
