// Reading JPEG by libjpeg-turbo, as Pillow does, so that every pixel is the same.

import openTurbo from "@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs";
import { text } from "./arrays.js";
import { Decoder } from "./decoder.js";
import { exifOf, xmpOrientation } from "./exif.js";
import { Refused, aspectOf, checkSize, unsure, MAX_PIXELS } from "./limits.js";

const SEGMENTS = (marker) =>
  (marker >= 0xc0 && marker <= 0xcf) ||
  [0xdb, 0xdd, 0xfe].includes(marker) ||
  (marker >= 0xe0 && marker <= 0xf9);
const NO_FRAME = [0xc4, 0xc8, 0xcc];
const SCAN = 0xda;
const END = 0xd9;
const EXIF = "Exif\0\0";
const XMP = "http://ns.adobe.com/xap/1.0/\0";
const MAX_SCANS = 200; // encoders make ten
const MAX_SCANNED = 20 * MAX_PIXELS; // scans times pixels

const turbo = new Decoder("turbojpeg", openTurbo, "JPEGDecoder");

// What a JPEG or JPEG-LS says of itself: {bits, height, width, channels, segments}.
export function jpegHeader(bytes) {
  const damaged = new Refused("the header of its JPEG is damaged");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const segments = [];
  let frame = null;
  let place = 2;
  while (bytes[place + 1] !== SCAN) {
    const marker = bytes[place + 1];
    if (place + 3 >= bytes.length || bytes[place] !== 0xff || !SEGMENTS(marker)) throw damaged;
    const length = view.getUint16(place + 2);
    const isFrame = (marker <= 0xcf && !NO_FRAME.includes(marker)) || marker === 0xf7;
    if (isFrame) {
      if (place + 10 > bytes.length) throw damaged;
      const [height, width] = [view.getUint16(place + 5), view.getUint16(place + 7)];
      frame = { bits: bytes[place + 4], height, width, channels: bytes[place + 9] };
    }
    segments.push({ marker, body: bytes.subarray(place + 4, place + 2 + length) });
    place += 2 + length;
  }
  if (bytes[place] !== 0xff || !frame) throw damaged;
  return { ...frame, segments };
}

// {width, height, channels, data, aspect, orientation}.
export async function readJpeg(bytes) {
  const header = jpegHeader(bytes);
  checkSize(header.width, header.height);
  checkScans(bytes, header.width * header.height);
  const { orientation, aspect } = aboutOf(header.segments);
  if (isCut(bytes)) throw new Refused(`damaged or truncated (${bytes.length} bytes)`);
  if (header.bits !== 8 || ![1, 3].includes(header.channels)) {
    throw unsure(`a JPEG of ${header.bits} bits and ${header.channels} colours`);
  }
  const data = await decodedJpeg(bytes, header);
  const { width, height, channels } = header;
  return { width, height, channels, data, aspect, orientation };
}

// The samples of a JPEG of 8 bits whose header is known.
export async function decodedJpeg(bytes, header) {
  const { info, data } = await turbo.decoded(bytes);
  const isAsSaid =
    info.width === header.width &&
    info.height === header.height &&
    info.componentCount === header.channels;
  if (!isAsSaid) throw new Refused("damaged: its JPEG is of another size than it says");
  return data;
}

// Refused: a file that takes far more time than its pixels need.
function checkScans(bytes, pixels) {
  let scans = 0;
  for (let place = bytes.indexOf(0xff); place >= 0; place = bytes.indexOf(0xff, place + 1)) {
    if (bytes[place + 1] === SCAN) scans++;
  }
  if (scans > MAX_SCANS || scans * pixels > MAX_SCANNED) {
    throw new Refused(`got a JPEG of ${scans} scans; save it again as a plain JPEG`);
  }
}

// Whether no end of the image follows the last start of a scan.
function isCut(bytes) {
  for (
    let place = bytes.lastIndexOf(0xff);
    place >= 0;
    place = bytes.lastIndexOf(0xff, place - 1)
  ) {
    if (bytes[place + 1] === END) return false;
    if (bytes[place + 1] === SCAN || place === 0) return true;
  }
  return true;
}

function aboutOf(segments) {
  let orientation;
  let byExif = 1;
  let aspect;
  let byXmp;
  for (const { marker, body } of segments) {
    const start = text(body, 0, XMP.length);
    if (marker === 0xe0 && start.startsWith("JFIF\0") && body.length >= 12) {
      const view = new DataView(body.buffer, body.byteOffset);
      aspect = aspectOf(view.getUint16(8), view.getUint16(10));
    }
    if (marker === 0xe1 && start.startsWith(EXIF) && orientation === undefined) {
      ({ orientation, aspect: byExif } = exifOf(body.subarray(EXIF.length)));
    }
    if (marker === 0xe1 && start === XMP) byXmp = xmpOrientation(new TextDecoder().decode(body));
  }
  return { orientation: orientation ?? byXmp ?? 1, aspect: aspect ?? byExif };
}
