"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const ROWS = 25, POSITIVE = data.classes[data.classes.length - 1], CELLS = data.grid[0] * data.grid[1], UNSEEN = 255;
const colours = bytes(data.colours);
const state = { sort: "probability", up: false, page: 0, list: [], open: 0 };

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  if (text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// Where the map of a method, block and head stands among an image's maps; null: all of them.
function place(method, layer, head) {
  if (!data.heads.includes(method)) return data.whole.indexOf(method);
  const per = data.perLayer, base = data.whole.length + data.heads.indexOf(method) * data.layers * per;
  if (layer === null && data.whole.includes(method)) return data.whole.indexOf(method);
  return base + (layer === null ? data.layers - 1 : layer) * per + (head === null ? 0 : head + 1);
}

async function mapsOf(image) {
  const stream = new Blob([bytes(image.maps)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Draw a map smoothly over a square canvas, in opaque colours; patches that the model left out are hatched.
function paint(canvas, map) {
  const size = canvas.width, context = canvas.getContext("2d"), picture = context.createImageData(size, size);
  const [rows, columns] = data.grid;
  const at = (y, x) => {
    const value = map[Math.max(0, Math.min(rows - 1, y)) * columns + Math.max(0, Math.min(columns - 1, x))];
    return value === UNSEEN ? 0 : value;
  };
  for (let y = 0; y < size; y++) {
    const v = ((y + 0.5) * rows) / size - 0.5, top = Math.floor(v), down = v - top;
    for (let x = 0; x < size; x++) {
      const u = ((x + 0.5) * columns) / size - 0.5, left = Math.floor(u), across = u - left;
      const value = (1 - down) * ((1 - across) * at(top, left) + across * at(top, left + 1)) +
        down * ((1 - across) * at(top + 1, left) + across * at(top + 1, left + 1));
      const colour = 3 * Math.round((value * 255) / (UNSEEN - 1)), pixel = 4 * (y * size + x);
      const unseen = map[Math.floor((y * rows) / size) * columns + Math.floor((x * columns) / size)] === UNSEEN;
      const hatched = unseen && (x + y) % 12 < 2;
      for (let i = 0; i < 3; i++) picture.data[pixel + i] = hatched ? 120 : colours[colour + i];
      picture.data[pixel + 3] = 255;
    }
  }
  context.putImageData(picture, 0, 0);
}

const FILTERS = {
  "all": () => true,
  "wrong": (image) => image.truth && image.truth !== image.predicted,
  "uncertain: not exactly one class in the set": (image) => image.set !== null && image.set.length !== 1,
  "unlike the training images": (image) => image.unlike !== null && image.unlike > 1,
  "was in training": (image) => image.training,
};
const COLUMNS = [
  ["name", (image) => image.name, ""], ["truth", (image) => image.truth, ""],
  ["predicted", (image) => image.predicted, ""], ["probability", (image) => image.p[image.followed], ""],
  ["set", (image) => (image.set === null ? "" : image.set.join(", ") || "none"), "extra"],
  ["unlike", (image) => image.unlike ?? -1, "extra"],
];
// without what the model cannot tell of any image
const SHOWN = COLUMNS.filter(([name]) => !data.images.every((image) => image[name] === null));
const TITLES = { probability: data.multilabel ? "P, finding shown" : `P(${POSITIVE})`, set: `set of classes`, unlike: "distance, limit 1" };

function choose() {
  const wanted = $("search").value.toLowerCase(), fits = FILTERS[$("filter").value];
  const value = COLUMNS.find(([name]) => name === state.sort)[1];
  state.list = data.images.filter((image) => fits(image) && image.name.toLowerCase().includes(wanted));
  state.list.sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (state.up ? 1 : -1));
  state.page = 0;
  fill();
}

function fill() {
  const pages = Math.max(1, Math.ceil(state.list.length / ROWS)), first = state.page * ROWS;
  const body = $("table").tBodies[0];
  body.replaceChildren(...state.list.slice(first, first + ROWS).map((image, i) => row(image, first + i)));
  $("shown").textContent = `${state.list.length} of ${data.images.length} images`;
  $("page").textContent = `page ${state.page + 1} of ${pages}`;
  $("before").disabled = state.page === 0;
  $("after").disabled = state.page === pages - 1;
  for (const head of document.querySelectorAll("#table th[data-column]")) {
    const order = head.dataset.column === state.sort ? (state.up ? "ascending" : "descending") : "none";
    head.setAttribute("aria-sort", order);
    head.querySelector("span").textContent = { ascending: " ▲", descending: " ▼", none: "" }[order];
  }
}

function row(image, number) {
  const line = make("tr", null), picture = make("img", null, { src: image.picture, alt: "" });
  const canvas = make("canvas", null, { width: 88, height: 88, "aria-hidden": "true" });
  line.appendChild(make("td", null)).appendChild(make("div", null, { class: "pair" })).append(picture, canvas);
  thumbnail(canvas, picture, image);
  for (const [name, value, kind] of SHOWN) {
    const cell = line.appendChild(make("td", null, { class: kind, "data-column": name }));
    if (name === "name") {
      cell.append(make("button", image.name, { type: "button" }));  // for the keyboard: a click anywhere does the same
      if (image.training) cell.append(" ", make("span", "was in training", { class: "tag" }));
    } else if (name === "predicted") {
      cell.append(make("span", image.predicted, { class: FILTERS.wrong(image) ? "wrong" : "" }));
      if (FILTERS.wrong(image)) cell.append(" ", make("span", "wrong", { class: "tag" }));
    } else if (name === "probability") {
      const shown = data.multilabel ? `${data.classes[image.followed]} ` : "";
      cell.textContent = shown + value(image).toFixed(3);
    }
    else if (name === "unlike") {
      cell.textContent = image.unlike === null ? "" : image.unlike.toFixed(2);
      if (image.unlike > 1) cell.append(" ", make("span", "unlike", { class: "tag" }));
    } else cell.textContent = value(image);
  }
  line.addEventListener("click", (event) => {
    if (!event.target.closest("button, .pair") && !getSelection().isCollapsed) return;  // the mouse has marked text
    line.querySelector("button").focus();  // where the keyboard goes on when the image is closed
    show(number);
  });
  return line;
}

async function thumbnail(canvas, picture, image) {
  const over = make("canvas", null, { width: 88, height: 88 }), maps = await mapsOf(image);
  paint(over, maps.subarray(0, CELLS));
  await picture.decode();
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0, 88, 88);
  context.globalAlpha = data.cover;
  context.drawImage(over, 0, 0);
}

function option(select, value, text) {
  select.append(make("option", text, { value }));
}

async function show(number) {
  state.open = number;
  const image = state.list[number];
  $("name").textContent = image.name;
  $("place").textContent = `${number + 1} of ${state.list.length}`;
  $("picture").src = image.picture;
  $("previous").disabled = number === 0;
  $("next").disabled = number === state.list.length - 1;
  const facts = [["truth", image.truth || "not known"], ["predicted", image.predicted],
    ...data.classes.map((name, i) => [`P(${name})`, image.p[i].toFixed(4)])];
  if (data.multilabel) facts.push(["evidence shown for", data.classes[image.followed]]);
  if (image.set !== null) facts.push([`set at ${100 * data.level} %`, image.set.join(", ") || "none: unlike either class"]);
  if (image.unlike !== null) facts.push(["distance from the training images, limit 1", image.unlike.toFixed(2)]);
  if (image.training) facts.push(["was in training", "yes: the prediction is no evidence"]);
  facts.push(...Object.entries(image.more));
  $("facts").replaceChildren(...facts.map(([name, value]) => {
    const line = make("tr", null);
    line.append(make("th", name, { scope: "row" }), make("td", value));
    return line;
  }));
  $("known").hidden = image.lesion.length === 0;
  if (!$("detail").open) $("detail").showModal();
  await redraw();
}

function chosen(id) {
  return $(id).value === "" || $(id).disabled ? null : Number($(id).value);
}

async function redraw() {
  const image = state.list[state.open], method = $("method").value, single = data.heads.includes(method);
  $("layer").disabled = !single;
  $("head").disabled = !single || data.perLayer === 1 || (method !== "attention" && $("layer").value === "");
  const number = place(method, chosen("layer"), chosen("head"));
  const maps = await mapsOf(image), map = maps.subarray(number * CELLS, (number + 1) * CELLS);
  if (image !== state.list[state.open]) return;
  paint($("over"), map);
  $("top").textContent = `${(number < data.whole.length ? data.tops[method] : data.tops["heads of " + method]).toFixed(1)} or more`;
  const lines = $("lines"), space = "http://www.w3.org/2000/svg";
  lines.setAttribute("viewBox", `0 0 ${data.size} ${data.size}`);
  const drawn = ($("outline").checked ? image.lesion : []).map((points) => {
    const polygon = document.createElementNS(space, "polygon");
    for (const [name, value] of Object.entries({ points: points.join(" "), fill: "none", stroke: "cyan", "stroke-width": data.size / 200 })) polygon.setAttribute(name, value);
    return polygon;
  });
  let best = -1;
  map.forEach((value, i) => { if (value !== UNSEEN && value > 0 && (best < 0 || value > map[best])) best = i; });
  if (best >= 0) {
    const x = ((best % data.grid[1]) + 0.5) * data.size / data.grid[1], y = (Math.floor(best / data.grid[1]) + 0.5) * data.size / data.grid[0];
    const reach = data.size / 40, cross = document.createElementNS(space, "path");
    for (const [name, value] of Object.entries({ d: `M${x - reach} ${y}h${2 * reach}M${x} ${y - reach}v${2 * reach}`, stroke: "white", "stroke-width": data.size / 200 })) cross.setAttribute(name, value);
    drawn.push(cross);
  }
  lines.replaceChildren(...drawn);
}

function begin() {
  const table = $("table").tHead.rows[0];
  for (const [name, , kind] of SHOWN) {
    const head = table.appendChild(make("th", null, { scope: "col", class: kind, "data-column": name }));
    const button = head.appendChild(make("button", TITLES[name] ?? name, { type: "button" }));
    button.append(make("span", ""));
    button.addEventListener("click", () => {
      state.up = state.sort === name ? !state.up : name === "name";
      state.sort = name;
      choose();
    });
  }
  for (const [name, fits] of Object.entries(FILTERS)) {
    const count = data.images.filter(fits).length;
    if (count || name === "all" || name === "wrong") option($("filter"), name, `${name} (${count})`);
  }
  for (const name of data.methods) option($("method"), name, name);
  option($("layer"), "", "as the method");
  for (let i = 0; i < data.layers; i++) option($("layer"), i, i);
  option($("head"), "", "all");
  for (let i = 0; i < data.perLayer - 1; i++) option($("head"), i, i);
  for (const id of ["filter", "search"]) $(id).addEventListener("input", choose);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  const fade = () => { $("over").style.opacity = $("opacity").value / 100; };
  $("opacity").addEventListener("input", fade);
  fade();
  for (const id of ["method", "layer", "head", "outline"]) $(id).addEventListener("input", redraw);
  for (const [id, step] of [["before", -1], ["after", 1]]) $(id).addEventListener("click", () => { state.page += step; fill(); });
  const move = (step) => { if (state.list[state.open + step]) show(state.open + step); };
  $("previous").addEventListener("click", () => move(-1));
  $("next").addEventListener("click", () => move(1));
  $("close").addEventListener("click", () => $("detail").close());
  $("detail").addEventListener("keydown", (event) => {
    if (event.target.matches("select, input")) return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") move(event.key === "ArrowRight" ? 1 : -1);
  });
  const scale = $("scale").getContext("2d"), bar = scale.createImageData(256, 1);
  for (let i = 0; i < 256; i++) bar.data.set([colours[3 * i], colours[3 * i + 1], colours[3 * i + 2], 255], 4 * i);
  scale.putImageData(bar, 0, 0);
  const folded = [];
  addEventListener("beforeprint", () => document.querySelectorAll("details:not([open])").forEach((part) => { part.open = true; folded.push(part); }));
  addEventListener("afterprint", () => folded.splice(0).forEach((part) => { part.open = false; }));
  choose();
}

begin();
