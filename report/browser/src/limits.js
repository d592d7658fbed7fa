// What every reader of pictures holds to, as data/limits.py and data/readers.py say it.

export const MAX_BYTES = 512_000_000;
export const MAX_PIXELS = 64_000_000;
const LEAST_EDGE = 8;
const DEPTHS = [8, 10, 12, 14, 16]; // bits that devices store

// A picture that is not taken, and why, in one line.
export class Refused extends Error {}

// Refused because this page is not sure of it, although predict.py may be.
export function unsure(what) {
  return new Refused(`${what}: this page is not sure of such a file; use predict.py for it`);
}

export function checkSize(width, height) {
  if (Math.min(width, height) < LEAST_EDGE || width * height > MAX_PIXELS) {
    throw new Refused(
      `got ${height} x ${width} px, wanted ${LEAST_EDGE} px a side at least and ` +
        `${MAX_PIXELS / 1e6} megapixels at most`,
    );
  }
}

// The greatest value of the fewest bits, of DEPTHS, that hold the highest value.
export function fullScale(highest) {
  return 2 ** DEPTHS.find((bits) => highest < 2 ** bits) - 1;
}

// Height of a pixel over its width, from both; 1 where they are not two lengths.
export function aspectOf(height, width) {
  const isLength = (edge) => Number.isFinite(edge) && edge > 0;
  return isLength(height) && isLength(width) ? height / width : 1;
}

// What an error of a library says, in one line.
export function firstLine(error) {
  const said = typeof error === "string" ? error : (error?.exception ?? error?.message ?? error);
  return String(said).split("\n")[0].slice(0, 200);
}
