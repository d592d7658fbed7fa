// The table as CSV, its cells guarded as data/tables.py does: none is a formula, each row a line.

import { spelt } from "./dom.js";
import { REMARKS } from "./remarks.js";

const FORMULA = /^'*[=+@-]/; // the beginning of what a spreadsheet runs, marked or not
const SIGNED_NUMBER = /^[+-]((\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|nan|inf)$/;
const STEERING = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/g;

export function guarded(value) {
  const text = String(value).replace(STEERING, spelt);
  return FORMULA.test(text) && !SIGNED_NUMBER.test(text) ? `'${text}` : text;
}

function line(cells) {
  const quoted = cells.map(guarded).map((cell) => {
    return /[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
  });
  return `${quoted.join(",")}\n`;
}

// All pictures, those that were refused too, in the columns of predictions.csv and some more.
export function csvOf(items, { classes }) {
  const columns = [
    "path",
    ...classes.map((name) => `probability_${name}`),
    "predicted",
    "set",
    "unlike",
    "in_training",
    "frame",
    "frames",
    "remarks",
    "refused",
  ];
  return line(columns) + items.map((item) => line(row(item, classes))).join("");
}

function row({ name, result, refused }, classes) {
  if (!result) return [name, ...classes.map(() => ""), ...Array(7).fill(""), refused ?? "not read"];
  const { probabilities, predicted, set, distance, remarks, frame, frames } = result;
  return [
    name,
    ...probabilities.map((share) => Number(share.toPrecision(9))),
    classes[predicted],
    set === null ? "" : set.map((index) => classes[index]).join(";") || "none",
    distance === null ? "" : distance.toFixed(3),
    remarks.includes("untold") ? "" : remarks.includes("trained") ? "yes" : "no",
    frame,
    frames,
    remarks.map((remark) => REMARKS[remark][0]).join("; "),
    "",
  ];
}
