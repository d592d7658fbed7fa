// Reading PNG, as data/photos.py does: no gamma and no colour profile changes a pixel.

import { decode } from "fast-png";
import { joined, text } from "./arrays.js";
import { exifOf, xmpOrientation } from "./exif.js";
import { Refused, aspectOf, checkSize, unsure } from "./limits.js";

const HEAD = 8;
const KNOWN = ["IHDR", "PLTE", "IDAT", "IEND", "tRNS"];
const XMP = "XML:com.adobe.xmp\0";
const EXIF_AS_TEXT = "Raw profile type exif\0";
const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // by colour type
const PALETTE = 3;
const SLACK = 65_536;

// {width, height, channels, data, aspect, orientation}.
export function readPng(bytes) {
  const chunks = chunksOf(bytes);
  const header = chunks.find(({ name }) => name === "IHDR")?.body;
  if (header?.length !== 13) throw new Refused("not readable as PNG: its header is missing");
  const view = new DataView(header.buffer, header.byteOffset);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  checkSize(width, height);
  const [depth, colour] = [header[8], header[9]];
  checkCost(chunks, width * height * (CHANNELS[colour] ?? 0) * (depth / 8));
  const about = aboutOf(chunks);
  const decoded = decode(plain(bytes, chunks), { checkCrc: false });
  const clear = chunks.find(({ name }) => name === "tRNS")?.body;
  const pixels = samples(decoded, depth, colour);
  if (colour === PALETTE) return { ...about, width, height, ...byPalette(pixels, decoded) };
  if (clear) checkVisible(pixels, CHANNELS[colour], clear, depth);
  return { ...about, width, height, channels: CHANNELS[colour], data: pixels };
}

function chunksOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks = [];
  let place = HEAD;
  while (place + 12 <= bytes.length) {
    const length = view.getUint32(place);
    const name = text(bytes, place + 4, place + 8);
    const end = place + 8 + length;
    if (end + 4 > bytes.length) break;
    if (view.getUint32(end) !== checksum(bytes.subarray(place + 4, end))) {
      throw new Refused(`not readable as PNG: chunk ${JSON.stringify(name)} is damaged`);
    }
    const isNeeded = !(name.charCodeAt(0) & 32);
    if (isNeeded && !KNOWN.includes(name)) {
      throw new Refused(`not readable as PNG: unknown chunk ${JSON.stringify(name)}`);
    }
    chunks.push({ name, body: bytes.subarray(place + 8, end), from: place, to: end + 4 });
    if (name === "IEND") return chunks;
    place = end + 4;
  }
  throw new Refused("not readable as PNG: its end is missing");
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

// CRC-32.
function checksum(bytes) {
  let rest = 0xffffffff;
  for (const byte of bytes) rest = TABLE[(rest ^ byte) & 255] ^ (rest >>> 8);
  return (rest ^ 0xffffffff) >>> 0;
}

// Refused: far more bytes than the pixels need, as of a file that is made to fill the memory.
function checkCost(chunks, needed) {
  const packed = chunks.filter(({ name }) => name === "IDAT");
  const length = packed.reduce((sum, { body }) => sum + body.length, 0);
  if (length > 1.5 * needed + SLACK) throw unsure("more data than its pixels need");
}

// The file with nothing but what its pixels need: profiles and text can inflate to gigabytes.
function plain(bytes, chunks) {
  const kept = chunks.filter(({ name }) => KNOWN.includes(name));
  const chunksKept = kept.map(({ from, to }) => bytes.subarray(from, to));
  return joined([bytes.subarray(0, HEAD), ...chunksKept]);
}

function aboutOf(chunks) {
  let orientation;
  let byExif = 1;
  let aspect;
  for (const { name, body } of chunks) {
    if (name === "acTL") throw unsure("an animation");
    if (name === "eXIf") ({ orientation, aspect: byExif } = exifOf(body));
    if (name === "pHYs" && body.length === 9) {
      const view = new DataView(body.buffer, body.byteOffset);
      aspect = aspectOf(view.getUint32(0), view.getUint32(4));
    }
    const start = text(body, 0, 32);
    if (/^[tiz](EXt|TXt)$/.test(name) && start.startsWith(EXIF_AS_TEXT)) {
      throw unsure("EXIF kept as text");
    }
    if (name === "iTXt" && start.startsWith(XMP)) {
      if (body[XMP.length] === 1) throw unsure("XMP that is compressed");
      orientation ??= xmpOrientation(new TextDecoder().decode(body));
    }
  }
  return { orientation: orientation ?? 1, aspect: aspect ?? byExif };
}

// One number for each sample; 1, 2 and 4 bits of grey are widened to 8.
function samples(decoded, depth, colour) {
  if (depth >= 8) return decoded.data;
  const { width, height, data } = decoded;
  const stride = Math.ceil((width * depth) / 8);
  const widened = colour === PALETTE ? 1 : 255 / (2 ** depth - 1);
  const result = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const byte = data[y * stride + (bit >> 3)];
      result[y * width + x] = ((byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1)) * widened;
    }
  }
  return result;
}

function byPalette(indices, { palette }) {
  if (!palette) throw new Refused("not readable as PNG: its palette is missing");
  const channels = palette.some((colour) => colour.length === 4) ? 4 : 3;
  const data = new Uint8Array(indices.length * channels);
  indices.forEach((index, i) => {
    const colour = palette[index];
    if (!colour) throw new Refused("not readable as PNG: a colour that its palette lacks");
    for (let c = 0; c < channels; c++) data[i * channels + c] = colour[c] ?? 255;
  });
  return { channels, data };
}

// Refused: pixels of the colour that stands for nothing.
function checkVisible(pixels, channels, clear, depth) {
  if (depth === 16 && channels > 1) throw unsure("16 bits and a transparent colour");
  const view = new DataView(clear.buffer, clear.byteOffset, clear.byteLength);
  const most = depth < 8 ? 255 / (2 ** depth - 1) : 1;
  const hidden = Array.from({ length: channels }, (_, c) => view.getUint16(2 * c) * most);
  for (let i = 0; i < pixels.length; i += channels) {
    if (hidden.every((value, c) => pixels[i + c] === value)) {
      throw new Refused("got transparent pixels; save it without them");
    }
  }
}
