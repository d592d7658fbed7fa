// Runs of DICOM: PS3.5 annex G. A byte says how long a run is, or what follows it as it is.

import { Refused } from "./limits.js";

const HEADER = 64; // bytes

// The bytes of the pixels, little end first. Refused: damaged, or of another size than it says.
export function unpacked(code, { rows, columns, allocated }) {
  const damaged = new Refused("its RLE is damaged, or unpacks to other pixels than it says");
  if (code.length < HEADER) throw damaged;
  const view = new DataView(code.buffer, code.byteOffset, code.length);
  const planes = view.getUint32(0, true);
  const width = allocated / 8;
  if (planes !== width) throw damaged;
  const pixels = rows * columns;
  const result = new Uint8Array(pixels * width);
  for (let plane = 0; plane < planes; plane++) {
    const start = view.getUint32(4 + 4 * plane, true);
    const end = plane + 1 < planes ? view.getUint32(8 + 4 * plane, true) : code.length;
    if (start < HEADER || start > end || end > code.length) throw damaged;
    const bytes = runs(code.subarray(start, end), pixels);
    if (!bytes) throw damaged;
    const place = width - 1 - plane; // the most significant plane comes first
    for (let i = 0; i < pixels; i++) result[i * width + place] = bytes[i];
  }
  return result;
}

// So many bytes; null: there are fewer, or far more.
function runs(code, pixels) {
  const result = new Uint8Array(pixels);
  let from = 0;
  let to = 0;
  while (from < code.length && to < pixels) {
    const said = code[from++];
    if (said < 128) {
      const part = code.subarray(from, from + said + 1);
      result.set(part.subarray(0, pixels - to), to);
      from += said + 1;
      to += part.length;
    } else if (said > 128) {
      result.fill(code[from++], to, to + 257 - said);
      to += 257 - said;
    }
  }
  return to < pixels ? null : result;
}
