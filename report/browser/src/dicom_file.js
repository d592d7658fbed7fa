// A DICOM file taken apart: its elements, and the compressed bytes of a frame.

import dicomParser from "dicom-parser";
import { Inflate } from "fflate";
import { joined } from "./arrays.js";
import { MAX_PIXELS, Refused, firstLine, unsure } from "./limits.js";

// enhanced objects keep per frame what plain ones keep for the file
const SHARED = "x52009229";
const PER_FRAME = "x52009230";
const FRAME_GROUPS = ["x00289110", "x00289145", "x00289132"];
const PIXELS = "x7fe00010";
const OTHER_PIXELS = ["x7fe00008", "x7fe00009"]; // floating numbers
const KINDS =
  "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR " +
  "US UT UV";
const DECIMAL = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;
const CHUNK = 65_536; // bytes that are inflated at a time
const BIG_ENDIAN = "1.2.840.10008.1.2.2";

export class DicomFile {
  constructor(dataSet, syntax) {
    this.sets = [dataSet]; // what stands in an earlier one counts
    this.whole = dataSet;
    this.syntax = syntax;
    this.isBigEndian = this.syntax === BIG_ENDIAN;
    this.checkOrder();
  }

  // Refused: elements that are of no known kind, twice there or out of order, as of damaged files.
  checkOrder() {
    const elements = Object.values(this.whole.elements).filter(({ tag }) => tag > "x0002ffff");
    let before = { tag: "", dataOffset: 0 };
    for (const element of elements) {
      const isKnown = element.vr === undefined || KINDS.split(" ").includes(element.vr);
      const isBehind = element.tag > before.tag && element.dataOffset > before.dataOffset;
      if (!isKnown || !isBehind || this.whole.warnings.length > 0)
        throw unsure("damaged or disordered elements");
      before = element;
    }
  }

  // Refused: no DICOM that can be taken apart.
  static of(bytes) {
    try {
      const head = dicomParser.readPart10Header(bytes);
      if (head.elements.x00020000?.length !== 4) throw unsure("a damaged header");
      const inflater = (content, position) => inflated(content.subarray(position));
      const syntax = head.string("x00020010")?.trim() ?? "";
      return new DicomFile(dicomParser.parseDicom(bytes, { inflater }), syntax);
    } catch (error) {
      if (error instanceof Refused) throw error;
      throw new Refused(`no readable DICOM: damaged or truncated (${firstLine(error)})`);
    }
  }

  // Let what an enhanced object keeps for all frames, then for this one, count first.
  takeFrame(index) {
    this.sets = [this.whole];
    for (const tag of [SHARED, PER_FRAME]) {
      const items = this.whole.elements[tag]?.items ?? [];
      const item = items[Math.min(index, items.length - 1)]?.dataSet;
      for (const group of FRAME_GROUPS) {
        for (const each of item?.elements[group]?.items ?? []) this.sets.unshift(each.dataSet);
      }
    }
  }

  setWith(tag) {
    return this.sets.find((set) => set.elements[tag] !== undefined);
  }

  has(tag) {
    return this.setWith(tag) !== undefined;
  }

  // All texts of an element, trimmed; [] where it is missing or empty.
  texts(tag) {
    const set = this.setWith(tag);
    const element = set?.elements[tag];
    if (!element) return [];
    const { dataOffset, length } = element;
    const bytes = set.byteArray.subarray(dataOffset, dataOffset + length);
    const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    const padded = text.replace(/[\0 ]+$/, "");
    if (padded.includes("\0")) throw unsure("a text with zeros within");
    return padded === "" ? [] : padded.split("\\").map((part) => part.trim());
  }

  text(tag) {
    return this.texts(tag)[0] ?? null;
  }

  // All decimal numbers of an element. Refused: one is none.
  numbers(tag) {
    return this.texts(tag).map((text) => {
      if (!DECIMAL.test(text)) throw new Refused(`no readable DICOM: got the number "${text}"`);
      return Number(text);
    });
  }

  number(tag) {
    return this.numbers(tag)[0] ?? null;
  }

  // A whole number of 16 bits, with a sign where the element has one; null: not exactly one.
  short(tag, signed = false) {
    const set = this.setWith(tag);
    const element = set?.elements[tag];
    if (!element || element.length !== 2) return null;
    const isSigned = element.vr === "SS" || (element.vr === undefined && signed);
    return isSigned ? set.int16(tag) : set.uint16(tag);
  }

  items(tag) {
    return (this.setWith(tag)?.elements[tag].items ?? []).map((item) => item.dataSet);
  }

  // Bytes of the whole picture of all frames, where it is not compressed.
  plainPixels() {
    const element = this.pixelElement();
    if (element.encapsulatedPixelData) throw unsure("compressed pixels under a plain syntax");
    const start = element.dataOffset;
    return this.whole.byteArray.subarray(start, start + element.length);
  }

  // Bytes of one compressed frame. Refused: where it begins is not known.
  compressedFrame(index, frames) {
    const element = this.pixelElement();
    const fragments = element.fragments ?? [];
    const offsets = element.basicOffsetTable ?? [];
    if (fragments.length === 0) throw new Refused("no readable DICOM: it holds no pixels");
    let own = null;
    if (offsets.length > 0) {
      const end = offsets[index + 1] ?? Infinity;
      own = fragments.filter(({ offset }) => offset >= offsets[index] && offset < end);
    } else if (frames === 1) own = fragments;
    else if (fragments.length === frames) own = [fragments[index]];
    if (!own?.length) throw unsure("frames whose ends it does not tell");
    return joined(own.map(({ position, length }) => this.bytesAt(position, length)));
  }

  bytesAt(position, length) {
    const bytes = this.whole.byteArray;
    if (position + length > bytes.length) throw new Refused("truncated: it ends before its pixels");
    return bytes.subarray(position, position + length);
  }

  pixelElement() {
    if (OTHER_PIXELS.some((tag) => this.has(tag))) throw unsure("pixels of floating numbers");
    const element = this.whole.elements[PIXELS];
    if (!element) throw new Refused("no readable DICOM: it holds no pixels");
    return element;
  }
}

// The elements of a deflated file. Refused: damaged, or far more than a picture holds.
function inflated(packed) {
  const parts = [];
  let length = 0;
  const inflate = new Inflate((part) => {
    parts.push(part);
    length += part.length;
    if (length > 2 * MAX_PIXELS) {
      throw new Refused(`inflates to over ${2 * MAX_PIXELS} bytes; save it in another way`);
    }
  });
  for (let place = 0; place < packed.length; place += CHUNK) {
    inflate.push(packed.subarray(place, place + CHUNK), place + CHUNK >= packed.length);
  }
  return joined(parts);
}
