// From stored values to what a viewer shows: rescale, window, inversion. DICOM PS3.3 C.11.
//
// data/dicom.py and data/dicom_tables.py, and apply_windowing of pydicom.

import { mapped, range } from "./arrays.js";
import { Refused, unsure } from "./limits.js";
import { rounded } from "./resize.js";

const CT_WINDOW = [300, 800]; // centre and width [HU] for CT whose file names no window
const CONTAINER = 16; // bits
const SIGNED = [Int8Array, Int16Array, Int32Array];
const SLOPE = "x00281053";
const INTERCEPT = "x00281052";
const CENTRE = "x00281050";
const WIDTH = "x00281051";
const MODALITY_TABLE = "x00283000";
const VOI_TABLE = "x00283010";
const VOI_FUNCTION = "x00281056";

// {data, bits, ends, remarks} of one frame; data is Uint16Array, or Float32Array from 0 to 1.
export function shown(stored, file, layout, inverse, window) {
  const values = rescaled(stored, file, layout);
  if (window) {
    const [low, high] = ends(window);
    return { data: between(values, low, high, inverse), bits: null };
  }
  const table = file.items(VOI_TABLE)[0];
  if (table) {
    const found = lookedUp(values, table, file, layout);
    return { data: between(found.values, 0, 2 ** found.bits - 1, inverse), bits: null };
  }
  if (file.text(CENTRE) !== null && file.text(WIDTH) !== null) {
    const [seen, low, high] = windowed(values, file, layout);
    return { data: between(seen, low, high, inverse), bits: null };
  }
  return withoutWindow(values, stored, file, layout, inverse);
}

// Whether low stored values are shown bright: by MONOCHROME1, or a rescale or a table that falls.
export function isInverse(file, layout, window) {
  const low = layout.signed ? -(2 ** (layout.stored - 1)) : 0;
  const stored = Float64Array.of(low, low + 2 ** layout.stored - 1);
  const table = file.items(VOI_TABLE)[0];
  let [first, last] = rescaled(stored, file, layout);
  if (table && !window) {
    [first, last] = lookedUp(Float64Array.of(first, last), table, file, layout).values;
  }
  return last < first !== (file.text("x00280004") === "MONOCHROME1");
}

function rescaled(stored, file, layout) {
  const table = file.items(MODALITY_TABLE)[0];
  if (table) return lookedUp(stored, table, file, layout).values;
  if (!file.has(SLOPE) || !file.has(INTERCEPT)) return stored;
  const [slope, intercept] = [file.number(SLOPE), file.number(INTERCEPT)];
  if (slope === null || intercept === null) throw unsure("an empty rescale");
  return mapped(Float64Array, stored, (value) => value * slope + intercept);
}

// The least and the greatest value that a window shows.
function ends([centre, width]) {
  return [centre - width / 2, centre + width / 2];
}

// float32 from 0 at the low end to 1 at the high one, or the other way round.
function between(values, low, high, inverse) {
  const span = high - low || 1;
  return mapped(Float32Array, values, (value) => {
    const share = Math.min(Math.max((value - low) / span, 0), 1);
    return inverse ? 1 - share : share;
  });
}

// [values, black, white] by the first window that the file names.
function windowed(values, file, layout) {
  const [centre, width] = [file.number(CENTRE), file.number(WIDTH)];
  const named = file.text(VOI_FUNCTION) ?? "LINEAR";
  const least = named === "LINEAR" ? 1 : 0;
  if (!(width > 0) || width < least) throw new Refused(`names a grey window of width ${width}`);
  const shape = named.toUpperCase();
  if (!["LINEAR", "LINEAR_EXACT", "SIGMOID"].includes(shape)) {
    throw new Refused(`no readable DICOM: the VOI LUT function ${shape} is not known`);
  }
  const [low, high] = outputs(file, layout);
  const seen = SHAPES[shape](centre, width, low, high);
  return [mapped(Float64Array, values, seen), seen(-1e30), seen(1e30)];
}

// The range that pydicom maps a window to.
function outputs(file, { stored, signed }) {
  const table = file.items(MODALITY_TABLE)[0];
  const isSigned = signed && !table;
  const bits = table ? table.uint16("x00283002", 2) : stored;
  const range = isSigned ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  const [slope, intercept] = [file.number(SLOPE), file.number(INTERCEPT)];
  return slope === null || intercept === null ? range : range.map((y) => y * slope + intercept);
}

function straight(centre, width, low, high) {
  return (value) => {
    if (value <= centre - width / 2) return low;
    if (value > centre + width / 2) return high;
    return ((value - centre) / width + 0.5) * (high - low) + low;
  };
}

const SHAPES = {
  LINEAR: (centre, width, low, high) => straight(centre - 0.5, width - 1, low, high),
  LINEAR_EXACT: straight,
  SIGMOID: (centre, width, low, high) => (value) =>
    (high - low) / (1 + Math.exp((-4 * (value - centre)) / width)) + low,
};

// {values, bits}: the entry of each value; those between two entries take the nearest.
function lookedUp(values, table, file, layout) {
  const element = table.elements.x00283002;
  if (element?.length !== 6) throw new Refused("no readable DICOM: its table is damaged");
  const count = table.uint16("x00283002", 0) || 65536;
  const isSigned = element.vr === "SS" || (element.vr !== "US" && layout.signed);
  const first = isSigned ? table.int16("x00283002", 1) : table.uint16("x00283002", 1);
  const bits = table.uint16("x00283002", 2);
  if (bits < 1 || bits > 16) throw new Refused(`its table has ${bits} bits an entry`);
  const entries = entriesOf(table, count, bits, file);
  const Kind = bits <= 8 ? Uint8Array : Uint16Array;
  const found = mapped(Kind, values, (value) => {
    const place = Math.min(Math.max(rounded(value - first), 0), count - 1);
    const entry = entries[place];
    if (entry === undefined)
      throw new Refused(`its table has ${entries.length} of ${count} entries`);
    if (entry >= 2 ** bits) throw new Refused(`its table has entries above its ${bits} bits`);
    return entry;
  });
  return { values: found, bits };
}

function entriesOf(table, count, bits, file) {
  const element = table.elements.x00283006;
  if (!element) throw new Refused("no readable DICOM: its table is missing");
  const bytes = table.byteArray.subarray(element.dataOffset, element.dataOffset + element.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = Math.floor(bytes.length / 2);
  const little = !file.isBigEndian;
  const words = Array.from({ length }, (_, i) => view.getUint16(2 * i, little));
  const isPacked = bits <= 8 && length < count && count <= 2 * length; // two entries in a word
  return isPacked ? words.flatMap((word) => [word & 255, word >> 8]) : words;
}

// What a file shows that names no window; its padding is black.
function withoutWindow(rescaledValues, stored, file, layout, inverse) {
  const isPadding = padding(stored, file);
  const slope = file.number(SLOPE);
  const values = slope === 1 && file.number(INTERCEPT) === 0 ? stored : rescaledValues;
  const type = file.text("x00281054") ?? "HU";
  const isHu = file.text("x00080060") === "CT" && slope !== null && type.startsWith("HU");
  const isCt = isHu && !(values instanceof Uint8Array);
  const visible = values.map((value, i) => (isPadding(stored[i]) ? 0 : value));
  const [low, high] = range(visible);
  const isWhole = !(values instanceof Float64Array) && low >= 0 && high < 2 ** 16;
  let bits = isWhole ? declaredBits(file, layout) : 0;
  // turned over at a white that is not known, such a picture would be white all over
  const isUnsure = inverse && bits >= CONTAINER && high < 2 ** (CONTAINER - 1);
  if (isWhole && !isCt && !isUnsure) {
    const isSigned = SIGNED.some((Kind) => values instanceof Kind);
    if (isSigned && bits < CONTAINER) bits -= 1; // one of them is the sign
    if (inverse && bits > CONTAINER) throw unsure(`an inverted picture of ${bits} bits`);
    const white = 2 ** bits - 1;
    const data = mapped(Uint16Array, visible, (value, i) =>
      isPadding(stored[i]) ? 0 : inverse ? white - value : value,
    );
    return { data, bits };
  }
  const seen = values.filter((_, i) => !isPadding(stored[i]));
  const own = seen.length ? range(seen) : [0, 0];
  const [black, white] = isCt ? ends(CT_WINDOW) : own;
  const grey = between(values, black, white, inverse);
  const data = grey.map((value, i) => (isPadding(stored[i]) ? 0 : value));
  return { data, bits: null, remarks: [isCt ? "window" : "alone"] };
}

function declaredBits(file, layout) {
  const table = file.items(MODALITY_TABLE)[0];
  return table ? table.uint16("x00283002", 2) : layout.stored;
}

// Whether the file says that a stored value stands for no picture.
function padding(stored, file) {
  const signed = SIGNED.some((Kind) => stored instanceof Kind);
  const first = file.short("x00280120", signed);
  if (first === null) return () => false;
  const last = file.short("x00280121", signed) ?? first;
  const [one, other] = new stored.constructor([first, last]); // as the file stores its values
  const [low, high] = [Math.min(one, other), Math.max(one, other)];
  return (value) => value >= low && value <= high;
}
