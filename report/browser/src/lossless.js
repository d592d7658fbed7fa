// JPEG lossless, process 14.

import { Decoder } from "jpeg-lossless-decoder-js";
import { joined } from "./arrays.js";
import { Refused, unsure } from "./limits.js";

const RESTARTS = 0xdd;
const END = [0xff, 0xd9];
// ones that belong to no pixel: without them the decoder can meet the end before the last pixel
const AFTER = [0xff, 0x00, 0xff, 0x00, 0xff, 0x00, 0xff, 0x00];

// The samples of a JPEG lossless whose header is known, as bytes, little end first.
export function decodedLossless(code, header) {
  if (header.segments.some(({ marker }) => marker === RESTARTS)) {
    throw unsure("JPEG lossless with restarts");
  }
  const end = lastEnd(code);
  const longer = joined([code.subarray(0, end), Uint8Array.from([...AFTER, ...END])]);
  const decoder = new Decoder();
  const damaged = new Refused("damaged, or a JPEG lossless that this page does not decode");
  let decoded;
  try {
    decoded = decoder.decompress(longer.buffer, 0, longer.length);
  } catch {
    throw damaged;
  }
  // of a whole one all pixels are there when all of its code is read, and not before
  const isWhole = decoder.xLoc === 0 && decoder.yLoc === header.height;
  if (!isWhole || decoder.stream.index < end) throw damaged;
  return new Uint8Array(decoded);
}

// Where the mark of the end stands.
function lastEnd(code) {
  for (let place = code.length - 2; place > 0; place--) {
    if (code[place] === END[0] && code[place + 1] === END[1]) return place;
  }
  throw new Refused("truncated: its JPEG has no end");
}
