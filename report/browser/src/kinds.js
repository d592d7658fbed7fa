// What a file is, by its content and not by its name; data/readers.py.

import { text } from "./arrays.js";
import { Refused, unsure } from "./limits.js";

const FIRST_BYTES = [
  ["\x89PNG\r\n\x1a\n", "PNG"],
  ["\xff\xd8\xff", "JPEG"],
  ["BM", "BMP"],
  ["II*\0", "TIFF"],
  ["MM\0*", "TIFF"],
  ["II+\0", "TIFF"],
  ["MM\0+", "TIFF"],
  ["\x93NUMPY", "NPY"],
];
const FIRST_GROUPS = ["\x02\0", "\0\x02", "\x08\0", "\0\x08"]; // of DICOM without its mark
const DICOM_NAME = /\.(dcm|dicom|ima)$/i;
const OTHERS = ["BMP", "TIFF", "NPY", "WEBP"];

// PNG, JPEG or DICOM. Refused: anything else.
export function kindOf(bytes, name) {
  const start = text(bytes, 0, 132);
  const found = FIRST_BYTES.find(([first]) => start.startsWith(first))?.[1];
  const isWebp = start.startsWith("RIFF") && start.slice(8, 12) === "WEBP";
  const kind = start.slice(128) === "DICM" ? "DICOM" : isWebp ? "WEBP" : found;
  if (OTHERS.includes(kind)) {
    throw new Refused(`is ${kind}, which this page does not read; use predict.py for it`);
  }
  if (kind) return kind;
  if (DICOM_NAME.test(name) || FIRST_GROUPS.includes(start.slice(0, 2))) {
    throw unsure("no DICM mark, as of DICOM from before it had one");
  }
  throw new Refused("no readable picture; wanted PNG, JPEG or DICOM");
}
