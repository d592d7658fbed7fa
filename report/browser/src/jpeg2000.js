// What a JPEG 2000 says of itself, before a decoder believes it; data/codestreams.py.

import { Refused } from "./limits.js";

const START = [0xff, 0x4f, 0xff, 0x51];
const HEADER = 40; // bytes up to the first channel

// {width, height, channels, bits, signed}. Refused: damaged, or made to cost far too much.
export function checkJpeg2000(code) {
  const damaged = new Refused("the header of its JPEG 2000 is damaged");
  const limit = code.length - START.length - HEADER;
  let place = 0;
  while (place < limit && !START.every((byte, i) => code[place + i] === byte)) place++;
  if (place >= limit) throw damaged;
  const view = new DataView(code.buffer, code.byteOffset + place + 8);
  const numbers = Array.from({ length: 8 }, (_, i) => view.getUint32(4 * i));
  const [right, bottom, left, top, tileWidth, tileHeight, tileLeft, tileTop] = numbers;
  if (Math.min(tileWidth, tileHeight) === 0) throw damaged;
  const columns = Math.ceil((right - tileLeft) / tileWidth);
  const rows = Math.ceil((bottom - tileTop) / tileHeight);
  if (rows * columns > 1 + Math.floor(code.length / 12)) {
    throw new Refused(`its JPEG 2000 has ${rows * columns} tiles in ${code.length} bytes`);
  }
  const depth = view.getUint8(34);
  const channels = view.getUint16(32);
  const size = { width: right - left, height: bottom - top };
  return { ...size, channels, bits: (depth & 127) + 1, signed: depth > 127 };
}
