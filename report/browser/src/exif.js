// Orientation and resolution, as cameras and scanners write them into EXIF or XMP.

import { aspectOf, unsure } from "./limits.js";

const ORIENTATION = 274;
const RESOLUTION = [282, 283]; // pixels in a unit, across and down
const IN_XMP = /tiff:Orientation(="|>)([0-9])/;
const SHORT = 3;
const LONG = 4;
const RATIONAL = 5;

// {orientation, aspect} of an EXIF block that begins with its TIFF header.
export function exifOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = {};
  try {
    const order = view.getUint16(0);
    if (order !== 0x4949 && order !== 0x4d4d) throw new RangeError("byte order");
    const little = order === 0x4949;
    const start = view.getUint32(4, little);
    const count = view.getUint16(start, little);
    for (let i = 0; i < count; i++) {
      const place = start + 2 + 12 * i;
      const tag = view.getUint16(place, little);
      if (tag === ORIENTATION || RESOLUTION.includes(tag)) found[tag] = value(view, place, little);
    }
  } catch (error) {
    throw unsure(`its EXIF is damaged (${error.message})`);
  }
  const [across, down] = RESOLUTION.map((tag) => found[tag]);
  return { orientation: found[ORIENTATION], aspect: aspectOf(across, down) };
}

function value(view, place, little) {
  const type = view.getUint16(place + 2, little);
  if (type === SHORT) return view.getUint16(place + 8, little);
  if (type === LONG) return view.getUint32(place + 8, little);
  if (type !== RATIONAL) return undefined;
  const at = view.getUint32(place + 8, little);
  return view.getUint32(at, little) / view.getUint32(at + 4, little);
}

// The orientation that an XMP text names; undefined: none.
export function xmpOrientation(text) {
  const found = IN_XMP.exec(text);
  return found ? Number(found[2]) : undefined;
}
