// A file to the square that the model sees, and what is to be said of it.

import { mapped } from "./arrays.js";
import { readDicom } from "./dicom.js";
import { depthOf, greyOf, storedGrey, tells, upright } from "./grey.js";
import { readJpeg } from "./jpeg.js";
import { kindOf } from "./kinds.js";
import { MAX_BYTES, Refused } from "./limits.js";
import { Placement, half, place } from "./placement.js";
import { readPng } from "./png.js";

const MASK = /(^|[^a-z])(masks?|msks?|segmentations?|annotations?|ground[-_. ]?truths?)([^a-z]|$)/i;
const NEARLY = 0.01; // by which height and width of a pixel may differ
const NARROW = 8; // times that the square is as wide as what is left of a picture

// name: the file's, with its folders.
// {stored, grey, square, frame, frames, remarks} of a file. Refused: why it is not taken.
export async function pictureOf(file, name, preprocessing, frame) {
  if (file.size === 0) throw new Refused("empty file (0 bytes)");
  if (file.size > MAX_BYTES) {
    throw new Refused(`got ${file.size} bytes, wanted ${MAX_BYTES} at most`);
  }
  const bytes = await contentOf(file);
  const picture = await read(bytes, name, preprocessing, frame);
  const stored = storedGrey(picture);
  const grey = greyOf(stored, preprocessing.full_scale);
  const square = place(grey, stored.width, stored.height, preprocessing);
  const remarks = [...stored.remarks, ...remarksOf(stored, preprocessing)];
  if (MASK.test(name)) remarks.push("mask");
  const { frames = 1 } = picture;
  return { bytes, stored, grey, square, frame: picture.frame ?? 0, frames, remarks };
}

async function contentOf(file) {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Refused("cannot be read; was it moved, changed or is it not yours to read?");
  }
}

async function read(bytes, name, preprocessing, frame) {
  const kind = kindOf(bytes, name);
  if (kind === "DICOM") return readDicom(bytes, preprocessing, frame);
  const picture = kind === "PNG" ? await damagedOr(() => readPng(bytes)) : await readJpeg(bytes);
  return upright(picture, picture.orientation);
}

async function damagedOr(read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused(`not readable as PNG: ${String(error.message).split("\n")[0]}`);
  }
}

function remarksOf(stored, { full_scale, stretch, border, image_size, stored_size }) {
  const size = stored_size ?? image_size;
  const { width, height } = new Placement(stored.width, stored.height, size, border, stretch);
  const depth = depthOf(stored);
  const declared = {
    oblong: Math.abs(stored.aspect - 1) > NEARLY && !stretch,
    narrow: Math.min(width, height) * NARROW < size,
    depth: depth !== null && !tells(full_scale),
    above: depth !== null && tells(full_scale) && depth.greatest > full_scale,
  };
  return Object.keys(declared).filter((name) => declared[name]);
}

// Whether the model learned from the picture, by the sha256 of its pixels or of its file; null: a
// page from http, unlike one from disk, is not let know.
export async function isKnown({ bytes, stored, grey }, known) {
  if (known.size === 0) return false;
  if (!crypto.subtle) return null;
  const contents = [stored.data, grey, bytes];
  if (stored.data instanceof Float32Array)
    contents.push(mapped(Uint16Array, stored.data, halfBits));
  for (const content of contents) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
    const text = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (known.has(text)) return true;
  }
  return false;
}

// The bits of the nearest number of 16 bits, from 0 to 1.
function halfBits(value) {
  const near = half(value);
  if (near < 2 ** -14) return near * 2 ** 24;
  const exponent = Math.floor(Math.log2(near));
  return ((exponent + 15) << 10) + (near / 2 ** exponent - 1) * 1024;
}
