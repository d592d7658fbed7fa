// The table of answers: sorted, filtered, a page of rows at a time.

import { $, counted, make, printable } from "./dom.js";
import { paintGrey, paintMap, topOf } from "./paint.js";

const ROWS = 25;
const THUMBNAIL = 88; // pixels

export class Table {
  // open: called with the list that is shown and the place in it; runner: asked for maps.
  constructor(about, open, runner) {
    this.about = about;
    this.open = open;
    this.runner = runner;
    this.isAsking = false;
    this.items = [];
    this.list = [];
    this.page = 0;
    this.sort = "probability";
    this.isUp = false;
    this.positive = about.classes.at(-1);
    this.columns = this.ownColumns();
    this.filters = this.ownFilters();
    this.begin();
  }

  ownColumns() {
    const { classes } = this.about;
    return {
      name: { title: "name", value: (item) => item.name },
      predicted: { title: "predicted", value: (item) => classes[item.result.predicted] },
      probability: {
        title: `P(${this.positive})`,
        value: (item) => item.result.probabilities.at(-1),
      },
      set: { title: "set of classes", value: (item) => setText(item, classes), kind: "extra" },
      unlike: {
        title: "distance, limit 1",
        value: (item) => item.result.distance ?? -1,
        kind: "extra",
      },
    };
  }

  ownFilters() {
    const { classes } = this.about;
    return {
      all: () => true,
      [`predicted ${this.positive}`]: (item) => item.result.predicted === classes.length - 1,
      "uncertain: not exactly one class in the set": ({ result }) =>
        result.set !== null && result.set.length !== 1,
      "unlike the training images": (item) => isUnlike(item),
      "with remarks": (item) => item.result.remarks.length > 0,
    };
  }

  begin() {
    const head = $("table").tHead.rows[0];
    for (const [name, { title, kind = "" }] of Object.entries(this.columns)) {
      const attributes = { scope: "col", class: kind, "data-column": name };
      const cell = head.appendChild(make("th", null, attributes));
      const button = cell.appendChild(make("button", title, { type: "button" }));
      button.append(make("span", ""));
      button.addEventListener("click", () => this.sortBy(name));
    }
    for (const name of Object.keys(this.filters)) {
      $("filter").append(make("option", name, { value: name }));
    }
    for (const id of ["filter", "search"]) {
      $(id).addEventListener("input", () => this.turn(0));
    }
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    $("before").addEventListener("click", () => this.turn(this.page - 1));
    $("after").addEventListener("click", () => this.turn(this.page + 1));
  }

  sortBy(name) {
    this.isUp = this.sort === name ? !this.isUp : name === "name";
    this.sort = name;
    this.turn(0);
  }

  turn(page) {
    this.page = page;
    this.show(this.items);
  }

  // Show the answers of these items, in the chosen order.
  show(items) {
    this.items = items;
    const answered = items.filter((item) => item.result);
    const wanted = $("search").value.toLowerCase();
    const fits = this.filters[$("filter").value];
    const { value } = this.columns[this.sort];
    const direction = this.isUp ? 1 : -1;
    this.list = answered.filter((item) => fits(item) && item.name.toLowerCase().includes(wanted));
    this.list.sort((one, other) => compared(value(one), value(other)) * direction);
    const pages = Math.max(1, Math.ceil(this.list.length / ROWS));
    this.page = Math.max(0, Math.min(this.page, pages - 1));
    this.fill(this.inView().map((item, i) => this.row(item, this.page * ROWS + i)));
    $("shown").textContent = `${this.list.length} of ${counted(answered.length, "picture")}`;
    $("page").textContent = `page ${this.page + 1} of ${pages}`;
    $("before").disabled = this.page === 0;
    $("after").disabled = this.page === pages - 1;
    this.markOrder();
    this.askMaps();
  }

  inView() {
    const first = this.page * ROWS;
    return this.list.slice(first, first + ROWS);
  }

  // Maps take longest: they are asked one by one, of the rows in view, after all answers; but one
  // at once, so that the reader sees what is to come.
  async askMaps() {
    if (this.isAsking) return;
    this.isAsking = true;
    for (let item = this.mapless(); item; item = this.mapless()) {
      const { result } = item; // the reader may put another frame in its place meanwhile
      const isFirst = !this.items.some((each) => each.result?.map);
      try {
        result.map = await this.runner.map(item, result.frame, isFirst);
      } catch (error) {
        result.mapless = error.message;
      }
      item.thumbnails = null;
      const row = document.querySelector(`#table tr[data-number="${item.number}"]`);
      if (row && this.items.includes(item)) this.fillPair(row.querySelector(".pair"), item);
    }
    this.isAsking = false;
  }

  // The first row in view whose map has not been asked; undefined: there is none.
  mapless() {
    return this.inView().find(({ result }) => !result.map && !result.mapless);
  }

  fillPair(pair, item) {
    item.thumbnails ??= thumbnails(item.result, this.about);
    pair.replaceChildren(...item.thumbnails);
  }

  // New rows; the keyboard stays at the picture where it was.
  fill(rows) {
    const focused = document.activeElement?.closest("#table tbody tr")?.dataset.number;
    $("table").tBodies[0].replaceChildren(...rows);
    if (focused)
      rows
        .find((row) => row.dataset.number === focused)
        ?.querySelector("button")
        .focus();
  }

  markOrder() {
    for (const head of document.querySelectorAll("#table th[data-column]")) {
      const isSorted = head.dataset.column === this.sort;
      const order = isSorted ? (this.isUp ? "ascending" : "descending") : "none";
      head.setAttribute("aria-sort", order);
      head.querySelector("span").textContent = { ascending: " ▲", descending: " ▼", none: "" }[
        order
      ];
    }
  }

  row(item, place) {
    const line = make("tr", null, { "data-number": item.number });
    const pair = line
      .appendChild(make("td", null))
      .appendChild(make("div", null, { class: "pair" }));
    this.fillPair(pair, item);
    for (const [name, { kind = "" }] of Object.entries(this.columns)) {
      const cell = line.appendChild(make("td", null, { class: kind, "data-column": name }));
      this.fillCell(cell, name, item);
    }
    line.addEventListener("click", (event) => {
      const isMarked = !getSelection().isCollapsed;
      if (!event.target.closest("button, .pair") && isMarked) return; // the mouse has marked text
      line.querySelector("button").focus(); // where the keyboard goes on when it is closed
      this.open(this.list, place);
    });
    return line;
  }

  fillCell(cell, name, item) {
    const { result } = item;
    const value = this.columns[name].value(item);
    if (name === "name") {
      cell.append(make("button", printable(value), { type: "button" }));
      if (result.frames > 1) {
        cell.append(" ", tag(`frame ${result.frame + 1} of ${result.frames}`));
      }
      if (result.remarks.includes("trained")) cell.append(" ", tag("was in training"));
    } else if (name === "predicted") {
      cell.append(make("span", value));
      if (isUnlike(item)) cell.append(" ", tag("unlike the training images"));
    } else if (name === "probability") cell.textContent = value.toFixed(3);
    else if (name === "unlike") {
      cell.textContent = result.distance === null ? "" : result.distance.toFixed(2);
    } else cell.textContent = value;
  }
}

export function isUnlike({ result }) {
  return result.distance !== null && result.distance > 1;
}

export function setText({ result }, classes) {
  if (result.set === null) return "";
  return result.set.map((index) => classes[index]).join(", ") || "none: unlike each class";
}

function tag(text) {
  return make("span", text, { class: "tag" });
}

function compared(one, other) {
  return one < other ? -1 : one > other ? 1 : 0;
}

// The picture beside itself with the map over it, or words on why there is none.
function thumbnails({ square, map, mapless }, { size, grid, colours, least_top }) {
  const picture = make("canvas", null, { "aria-hidden": "true" });
  paintGrey(picture, square, size, size);
  if (!map) {
    const words = mapless ? `no map: ${mapless}` : "map follows";
    return [picture, make("span", printable(words), { class: "mapless" })];
  }
  const both = make("canvas", null, { width: THUMBNAIL, height: THUMBNAIL, "aria-hidden": "true" });
  const over = make("canvas", null, { width: THUMBNAIL, height: THUMBNAIL });
  paintMap(over, map, grid, topOf(map, least_top), colours);
  const context = both.getContext("2d");
  context.drawImage(picture, 0, 0, THUMBNAIL, THUMBNAIL);
  context.globalAlpha = 0.6;
  context.drawImage(over, 0, 0);
  return [picture, both];
}
