// The stored values of one frame of a DICOM file, in the low bits; as pydicom gives them.

import openCharls from "@cornerstonejs/codec-charls/decodewasmjs";
import openJpeg2000 from "@cornerstonejs/codec-openjpeg/decodewasmjs";
import { Decoder } from "./decoder.js";
import { checkJpeg2000 } from "./jpeg2000.js";
import { decodedJpeg, jpegHeader } from "./jpeg.js";
import { Refused, unsure } from "./limits.js";
import { decodedLossless } from "./lossless.js";
import { unpacked } from "./rle.js";

const PLAIN = [
  "1.2.840.10008.1.2",
  "1.2.840.10008.1.2.1",
  "1.2.840.10008.1.2.1.99",
  "1.2.840.10008.1.2.2",
];
const RLE = "1.2.840.10008.1.2.5";
const JPEG_BASELINE = "1.2.840.10008.1.2.4.50";
const JPEG_LOSSLESS = ["1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"];
const JPEG_LS = ["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"];
const JPEG_2000 = ["1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"];
const ARRAYS = {
  8: [Uint8Array, Int8Array],
  16: [Uint16Array, Int16Array],
  32: [Uint32Array, Int32Array],
};

const openjpeg = new Decoder("openjpeg", openJpeg2000, "J2KDecoder");
const charls = new Decoder("charls", openCharls, "JpegLSDecoder");

// Rows, columns and bits, as the file says them. Refused: it lacks one, or they do not fit.
export function layoutOf(file) {
  const tags = {
    rows: "x00280010",
    columns: "x00280011",
    allocated: "x00280100",
    stored: "x00280101",
    signed: "x00280103",
  };
  const layout = { high: file.short("x00280102") };
  for (const [name, tag] of Object.entries(tags)) {
    layout[name] = file.short(tag);
    if (layout[name] === null) throw new Refused(`no readable DICOM: it lacks its ${name}`);
  }
  const samples = file.short("x00280002");
  const { allocated, stored } = layout;
  if (samples !== 1) throw new Refused(`no readable DICOM: got ${samples} samples a pixel`);
  if (!(allocated === 1 || ARRAYS[allocated]) || stored < 1 || stored > allocated) {
    throw unsure(`${stored} of ${allocated} bits`);
  }
  return layout;
}

// Stored values of a frame: a typed array of the kind that the file says.
export async function framePixels(file, layout, index, frames) {
  const { syntax } = file;
  const isPlain = PLAIN.includes(syntax);
  const shift = layout.high === null ? 0 : layout.high + 1 - layout.stored;
  const canShift = (isPlain || syntax === RLE) && shift > 0 && layout.high < layout.allocated;
  if (shift !== 0 && !canShift) throw unsure(`HighBit ${layout.high} with ${layout.stored} bits`);
  const wide = { ...layout, stored: layout.stored + shift };
  const values = await valuesOf(file, wide, index, frames);
  return shift === 0 ? values : shifted(values, layout.stored, shift);
}

async function valuesOf(file, layout, index, frames) {
  const { syntax } = file;
  if (PLAIN.includes(syntax)) return cleared(plainValues(file, layout, index, frames), layout);
  const code = file.compressedFrame(index, frames);
  if (syntax === RLE) return cleared(typed(unpacked(code, layout), layout), layout);
  if (JPEG_2000.includes(syntax)) return jpeg2000Values(code, layout);
  if (JPEG_LS.includes(syntax)) return jpegLsValues(code, layout);
  if (syntax === JPEG_BASELINE) return cleared(await baselineValues(code, layout), layout);
  if (JPEG_LOSSLESS.includes(syntax)) return cleared(losslessValues(code, layout), layout);
  throw unsure(`transfer syntax ${syntax || "none"}`);
}

// Refused: pixels that end at a lower bit than the file says.
function shifted(values, stored, shift) {
  const mask = 2 ** shift - 1;
  const most = 2 ** stored;
  const isLow = values.every((value) => value >= 0 && value < most);
  if (isLow && values.some((value) => value & mask)) throw unsure("pixels that end at another bit");
  return values.map((value) => value >> shift);
}

function plainValues(file, layout, index, frames) {
  const { rows, columns, allocated } = layout;
  const pixels = rows * columns;
  const bytes = file.plainPixels();
  if (allocated === 1) return bitValues(file, bytes, pixels, index, frames);
  const length = (pixels * allocated) / 8;
  if (bytes.length < frames * length) {
    throw new Refused(`truncated: got ${bytes.length} bytes of pixels, wanted ${frames * length}`);
  }
  const frame = bytes.slice(index * length, (index + 1) * length);
  if (file.isBigEndian) {
    if (allocated === 8) throw unsure("8 bits in big endian order");
    turnBytes(frame, allocated / 8);
  }
  return typed(frame, layout);
}

function bitValues(file, bytes, pixels, index, frames) {
  if (file.isBigEndian) throw unsure("single bits in big endian order");
  const first = index * pixels;
  if (bytes.length * 8 < frames * pixels) throw new Refused("truncated: it ends before its pixels");
  return Uint8Array.from({ length: pixels }, (_, i) => {
    const bit = first + i;
    return (bytes[bit >> 3] >> (bit & 7)) & 1;
  });
}

function turnBytes(bytes, width) {
  for (let place = 0; place < bytes.length; place += width) {
    bytes.subarray(place, place + width).reverse();
  }
}

// Bytes, little end first, as whole numbers of the kind that the file says.
function typed(bytes, { allocated, signed }) {
  const Kind = ARRAYS[allocated][signed ? 1 : 0];
  const aligned = bytes.byteOffset % Kind.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return new Kind(aligned.buffer, aligned.byteOffset, bytes.length / Kind.BYTES_PER_ELEMENT);
}

// Values without the bits above those that are stored, the sign spread over them.
function cleared(values, { allocated, stored }) {
  const shift = values.BYTES_PER_ELEMENT * 8 - stored;
  if (allocated === 1 || shift <= 0) return values;
  return spread(values, shift);
}

function spread(values, shift) {
  const result = values.slice();
  for (let i = 0; i < result.length; i++) {
    result[i] <<= shift;
    result[i] >>= shift;
  }
  return result;
}

async function baselineValues(code, layout) {
  const header = jpegHeader(code);
  checkFrame(header, layout);
  if (layout.allocated !== 8 || header.bits !== 8) throw unsure("JPEG of other bits than it says");
  return typed(await decodedJpeg(code, header), layout);
}

function losslessValues(code, layout) {
  const header = jpegHeader(code);
  checkFrame(header, layout);
  const { allocated } = layout;
  if (!(allocated - 8 < header.bits && header.bits <= allocated && allocated <= 16)) {
    throw new Refused(`its JPEG has ${header.bits} bits, the file says otherwise`);
  }
  return typed(decodedLossless(code, header), layout);
}

async function jpegLsValues(code, layout) {
  const header = jpegHeader(code);
  checkFrame(header, layout);
  const { data } = await charls.decoded(code);
  const kind = { allocated: header.bits <= 8 ? 8 : 16, signed: layout.signed };
  const values = typed(data, kind);
  return layout.signed ? spread(values, kind.allocated - header.bits) : values;
}

async function jpeg2000Values(code, layout) {
  const header = checkJpeg2000(code);
  checkFrame(header, layout);
  const { info, data } = await openjpeg.decoded(code);
  if (info.width !== layout.columns || info.height !== layout.rows) {
    throw new Refused("damaged: its JPEG 2000 is of another size than it says");
  }
  if (header.signed && !layout.signed) throw unsure("signed JPEG 2000 of a file without signs");
  const kind = { allocated: header.bits <= 8 ? 8 : 16, signed: layout.signed };
  const values = typed(data, kind);
  const isUnlike = Boolean(layout.signed) !== header.signed;
  return isUnlike ? spread(values, kind.allocated - header.bits) : values;
}

function checkFrame(found, { rows, columns }) {
  const { height, width, channels } = found;
  if (height !== rows || width !== columns || channels !== 1) {
    throw new Refused(
      `its JPEG has (H, W, channels) (${height}, ${width}, ${channels}), the file says otherwise`,
    );
  }
}
