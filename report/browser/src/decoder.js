// A decoder of the cornerstone codecs: its wasm comes from the page, and is opened when needed.

import { Refused } from "./limits.js";

const binaries = {}; // by name, bytes that are still compressed

export function keep(name, compressed) {
  binaries[name] = compressed;
}

export async function opened(compressed, format = "gzip") {
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export class Decoder {
  constructor(name, open, kind) {
    this.name = name;
    this.open = open;
    this.kind = kind;
    this.library = null;
  }

  // {info, data}: what it says of a picture, and its samples as bytes. Refused: it is damaged.
  async decoded(bytes) {
    const quiet = { print() {}, printErr() {} };
    this.library ??= await this.open({ ...quiet, wasmBinary: await opened(binaries[this.name]) });
    const decoder = new this.library[this.kind]();
    try {
      decoder.getEncodedBuffer(bytes.length).set(bytes);
      decoder.decode();
      const data = new Uint8Array(decoder.getDecodedBuffer());
      return { info: decoder.getFrameInfo(), data };
    } catch {
      this.library = null; // after such an end its memory may hold anything
      throw new Refused("damaged, or compressed in a way that this page does not decode");
    } finally {
      if (this.library) decoder.delete();
    }
  }
}
