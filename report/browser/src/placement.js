// Where the pixels of a picture come to lie in the square that the model sees.
//
// data/geometry.py and data/preprocessing.py.

import { mapped } from "./arrays.js";
import { resized, rounded } from "./resize.js";

export class Placement {
  constructor(width, height, size, border, stretch) {
    const top = rounded(height * border);
    const left = rounded(width * border);
    this.size = size;
    this.crop = { left, top, width: width - 2 * left, height: height - 2 * top };
    const scale = size / Math.max(this.crop.width, this.crop.height);
    const scaled = (edge) => Math.max(1, rounded(edge * scale));
    this.width = stretch ? size : scaled(this.crop.width);
    this.height = stretch ? size : scaled(this.crop.height);
    this.left = Math.floor((size - this.width) / 2);
    this.top = Math.floor((size - this.height) / 2);
  }

  // Pixels of the whole picture, a Uint8Array or Float32Array, to those of the square.
  image(data, stride) {
    const { left, top, width, height } = this.crop;
    let inside = { width, height, data: new data.constructor(width * height) };
    for (let y = 0; y < height; y++) {
      const start = (top + y) * stride + left;
      inside.data.set(data.subarray(start, start + width), y * width);
    }
    if (width !== this.width || height !== this.height) {
      inside = resized(inside, this.width, this.height, this.width < width);
    }
    const square = new data.constructor(this.size ** 2);
    for (let y = 0; y < this.height; y++) {
      const row = inside.data.subarray(y * this.width, (y + 1) * this.width);
      square.set(row, (this.top + y) * this.size + this.left);
    }
    return square;
  }
}

// The nearest number of 16 bits, from 0 to 1; halves to the even one.
export function half(value) {
  if (value === 0) return 0;
  const exponent = Math.max(Math.floor(Math.log2(value)), -14);
  const unit = 2 ** (exponent - 10);
  return rounded(value / unit) * unit;
}

// Grey of a raw picture, uint8 from 0 to 255 or float32 from 0 to 1, to S x S float32 from 0 to 1.
export function place(grey, width, height, { image_size, stored_size, border, stretch }) {
  const size = stored_size ?? image_size;
  let square = new Placement(width, height, size, border, stretch).image(grey, width);
  if (square instanceof Uint8Array) square = mapped(Float32Array, square, (value) => value / 255);
  else if (stored_size) {
    square = square.map((value) => half(Math.min(Math.max(value, 0), 1))); // as it is stored
  }
  if (size === image_size) return square;
  return new Placement(size, size, image_size, 0, false).image(square, size);
}
