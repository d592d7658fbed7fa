// The page: takes files, shows what the model says of them, saves the table.

import { csvOf } from "./csv.js";
import { Detail } from "./detail.js";
import { $, counted, make, printable } from "./dom.js";
import { ofDrop, ofInput } from "./files.js";
import { REMARKS } from "./remarks.js";
import { Runner } from "./runner.js";
import { Table, isUnlike } from "./table.js";

const EACH = 300; // milliseconds between two looks at the table while pictures are read
const MOST_REFUSED = 200; // rows; the CSV has all
// a module of one instruction of WebAssembly SIMD
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0];
const SIMD_BODY = [65, 0, 253, 15, 253, 98, 11];
const PARTS = [
  "ort",
  "answers",
  "evidence",
  "weights",
  "turbojpeg",
  "openjpeg",
  "charls",
];

class Page {
  constructor(about, runner) {
    this.about = about;
    this.runner = runner;
    this.items = [];
    this.faults = [];
    this.drawn = 0;
    this.detail = new Detail(about, runner, () => this.draw());
    const open = (list, place) => this.detail.show(list, place);
    this.table = new Table(about, open, runner);
    this.begin();
    this.draw();
  }

  begin() {
    for (const [button, input] of [
      ["choose", "pictures"],
      ["choose-folder", "folder"],
    ]) {
      $(button).addEventListener("click", () => $(input).click());
      $(input).addEventListener("change", () => {
        this.take(ofInput($(input)));
        $(input).value = ""; // so that the same files can be chosen again
      });
    }
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
      addEventListener(name, (event) => this.drag(event));
    }
    $("stop").addEventListener("click", () => this.runner.forget());
    $("clear").addEventListener("click", () => this.clear());
    $("save").addEventListener("click", () => this.save());
  }

  async drag(event) {
    event.preventDefault(); // else the browser would leave the page and open the file
    $("drop").classList.toggle("over", event.type === "dragenter" || event.type === "dragover");
    if (event.type === "drop") this.take(await ofDrop(event.dataTransfer));
  }

  async take({ files, faults }) {
    this.faults.push(...faults);
    if (files.length === 0 && faults.length === 0) this.faults.push("no file was given");
    const first = this.items.length;
    const added = files.map(({ file, name }, i) => ({ number: first + i, file, name }));
    this.items.push(...added);
    this.draw();
    this.drawn = 0; // the next answer is shown at once
    await Promise.all(added.map((item) => this.ask(item)));
    this.draw();
  }

  async ask(item) {
    try {
      item.result = await this.runner.answer(item);
    } catch (error) {
      item.refused = error.message;
    }
    if (performance.now() - this.drawn > EACH) this.draw();
  }

  clear() {
    this.runner.forget();
    this.items = [];
    this.faults = [];
    this.draw();
  }

  draw() {
    this.drawn = performance.now();
    const total = this.items.length;
    const refused = this.items.filter((item) => item.refused);
    const answered = this.items.filter((item) => item.result);
    const done = refused.length + answered.length;
    $("progress").max = total || 1;
    $("progress").value = done;
    $("running").hidden = done === total;
    $("give").setAttribute("aria-busy", done < total); // only the end is read aloud
    $("state").textContent = total ? `${done} of ${counted(total, "file")} read` : "";
    $("images").hidden = answered.length === 0;
    $("ends").hidden = done === 0;
    $("clear").disabled = $("save").disabled = done === 0;
    this.table.show(this.items);
    this.drawRefused(refused);
    const lines = [...this.faults, ...notesOf(answered)];
    $("notes").replaceChildren(
      ...lines.map((line) => make("p", printable(line), { class: "note" })),
    );
  }

  drawRefused(refused) {
    $("refused").hidden = refused.length === 0;
    $("refused-count").textContent =
      `${counted(refused.length, "file")} not taken` +
      (refused.length > MOST_REFUSED ? `, the first ${MOST_REFUSED} here, all in the CSV` : "");
    const rows = refused.slice(0, MOST_REFUSED).map(({ name, refused: reason }) => {
      const row = make("tr", null);
      row.append(make("th", printable(name), { scope: "row" }), make("td", printable(reason)));
      return row;
    });
    $("refused-rows").replaceChildren(...rows);
  }

  save() {
    const blob = new Blob([csvOf(this.items, this.about)], { type: "text/csv" });
    const address = URL.createObjectURL(blob);
    make("a", null, { href: address, download: "predictions.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }
}

// Reasons to trust the answers less, a sentence each; vit/predictions.py.
function notesOf(answered) {
  const notes = [];
  const total = counted(answered.length, "picture");
  const unlike = answered.filter(isUnlike).length;
  if (unlike) {
    const lie = unlike === 1 ? "lies" : "lie";
    notes.push(
      `${unlike} of ${total} ${lie} farther from the training images than 19 in 20 of like ` +
        "images do: what is said of them may mean nothing",
    );
  }
  for (const [remark, [one, many, then]] of Object.entries(REMARKS)) {
    const found = answered.filter(({ result }) => result.remarks.includes(remark));
    if (found.length === 0) continue;
    const words = found.length === 1 ? one : many;
    notes.push(`${found.length} of ${total} ${words}, such as ${found[0].name}: ${then}`);
  }
  return notes;
}

async function inflated(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

// What this browser lacks, in words; empty: nothing.
function lacking() {
  if (typeof DecompressionStream === "undefined") return "DecompressionStream";
  if (typeof WebAssembly === "undefined") return "WebAssembly";
  return WebAssembly.validate(new Uint8Array([...SIMD, ...SIMD_BODY])) ? "" : "WebAssembly SIMD";
}

function fail(words) {
  $("fatal").textContent = words;
  $("fatal").hidden = false;
  $("give").hidden = true;
}

async function showLicences() {
  const packages = JSON.parse(await inflated($("part-licences").textContent));
  const parts = packages.flatMap(({ name, version, license, text }) => [
    make("h3", `${name} ${version}, ${license}`),
    make("pre", text, { tabindex: 0 }),
  ]);
  $("licences-text").replaceChildren(...parts);
}

async function begin() {
  const lack = lacking();
  if (lack) {
    fail(`This browser has no ${lack}, which the page needs; take a newer one, or predict.py.`);
    return;
  }
  const about = JSON.parse($("about").textContent);
  const parts = Object.fromEntries(PARTS.map((name) => [name, $(`part-${name}`).textContent]));
  const runner = new Runner(await inflated($("part-worker").textContent), parts, about);
  new Page(about, runner);
  $("licences").addEventListener("toggle", showLicences, { once: true });
  try {
    await runner.ready;
    $("loading").textContent = "";
  } catch (error) {
    fail(`The model does not start in this browser (${error.message}); take predict.py.`);
  }
}

begin();
