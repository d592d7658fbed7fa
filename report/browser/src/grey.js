// A picture turned upright, grey, and scaled; data/picture.py and data/scale.py.

import { mapped, range } from "./arrays.js";
import { Refused, checkSize, fullScale } from "./limits.js";

const SIDEWAYS = [5, 6, 7, 8]; // orientations that exchange height and width
const TINT = 0.05; // of the range, between colour channels
const RED = 9798;
const GREEN = 19235;
const BLUE = 3735;
const SHIFT = 15; // of OpenCV's weights of the three
const CONTAINER = 16; // bits: a file that declares them tells no more than that it stores 16
const BYTE = 8;

// Pixels {width, height, channels, data} as a viewer turns them, by the EXIF orientation.
export function upright(picture, orientation) {
  if (!(orientation > 1 && orientation <= 8)) return picture;
  const isSideways = SIDEWAYS.includes(orientation);
  const { channels, data } = picture;
  const width = isSideways ? picture.height : picture.width;
  const height = isSideways ? picture.width : picture.height;
  const turned = new data.constructor(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const v = [3, 4, 7, 8].includes(orientation) ? height - 1 - y : y;
      const u = [2, 3, 6, 7].includes(orientation) ? width - 1 - x : x;
      const from = isSideways ? u * picture.width + v : v * picture.width + u;
      const to = y * width + x;
      for (let c = 0; c < channels; c++) turned[to * channels + c] = data[from * channels + c];
    }
  }
  const shown = isSideways ? 1 / picture.aspect : picture.aspect;
  return { ...picture, width, height, data: turned, aspect: shown };
}

// A grey picture {width, height, data, bits, aspect, remarks} before whole numbers are scaled.
export function storedGrey(picture) {
  const { width, height, channels = 1 } = picture;
  checkSize(width, height);
  const remarks = [...(picture.remarks ?? [])];
  let { data } = picture;
  if (channels > 1) {
    checkOpaque(picture);
    if (isColoured(picture)) remarks.push("coloured");
    data = greyOfColours(picture);
  }
  const [low, high] = range(data);
  if (data.some(Number.isNaN) || !Number.isFinite(high)) throw new Refused("holds NaN pixels");
  if (low === high) throw new Refused("every pixel has the same value");
  const isByte = data instanceof Uint8Array;
  const bits = isByte ? BYTE : data instanceof Float32Array ? null : (picture.bits ?? null);
  return { ...picture, channels: 1, data, bits, remarks };
}

function checkOpaque({ channels, data }) {
  if (channels !== 2 && channels !== 4) return;
  const opaque = data instanceof Uint8Array ? 255 : 65535;
  for (let i = channels - 1; i < data.length; i += channels) {
    if (data[i] < opaque) throw new Refused("got transparent pixels; save it without them");
  }
}

function isColoured({ channels, data }) {
  if (channels < 3) return false;
  const least = TINT * range(data)[1];
  let tinted = 0;
  for (let i = 0; i < data.length; i += channels) {
    const [red, green, blue] = [data[i], data[i + 1], data[i + 2]];
    if (Math.max(red, green, blue) - Math.min(red, green, blue) > least) tinted++;
  }
  return tinted / (data.length / channels) > TINT / 100;
}

function greyOfColours({ channels, data }) {
  const grey = new data.constructor(data.length / channels);
  for (let i = 0, place = 0; i < grey.length; i++, place += channels) {
    const sum =
      channels === 2
        ? data[place] * 2 ** SHIFT
        : RED * data[place] + GREEN * data[place + 1] + BLUE * data[place + 2];
    grey[i] = Math.floor((sum + 2 ** (SHIFT - 1)) / 2 ** SHIFT);
  }
  return grey;
}

// {bits, greatest} of a picture of more than 8 bits; null where it has one scale.
export function depthOf(stored) {
  if (!(stored.data instanceof Uint16Array)) return null;
  const greatest = range(stored.data)[1];
  const { bits } = stored;
  if (bits === null || bits >= CONTAINER || greatest >= 2 ** bits) return { bits: null, greatest };
  return bits > BYTE ? { bits, greatest } : null;
}

// Whether the white of a set says how pictures of more than 8 bits are scaled.
export function tells(white) {
  return white !== null && white >= 2 ** BYTE;
}

// Uint8Array from 0 to 255, or Float32Array from 0 to 1, where white is a value of training.
export function greyOf(stored, white) {
  const { data } = stored;
  if (!(data instanceof Uint16Array)) return data;
  const depth = depthOf(stored);
  if (depth === null) {
    const own = fullScale(range(data)[1]);
    const chosen = stored.bits === null ? own : Math.min(own, 2 ** stored.bits - 1);
    return mapped(Float32Array, data, (value) => value / chosen);
  }
  const own = depth.bits === null ? fullScale(depth.greatest) : 2 ** depth.bits - 1;
  const chosen = tells(white) ? white : own;
  return mapped(Float32Array, data, (value) => Math.min(value / chosen, 1));
}
