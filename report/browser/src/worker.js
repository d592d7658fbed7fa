// What runs beside the page, so that the page stays awake: decoders and the model.

import { mapped } from "./arrays.js";
import { keep, opened } from "./decoder.js";
import { Refused, firstLine } from "./limits.js";
import { Model } from "./model.js";
import { isKnown, pictureOf } from "./picture.js";

const CODECS = ["turbojpeg", "openjpeg", "charls"];
const OF_MODEL = ["ort", "answers", "evidence", "weights"];
const state = { model: null, about: null, known: new Set() };

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

async function start({ about, parts }) {
  for (const name of CODECS) keep(name, bytesOf(parts[name]));
  const files = {};
  for (const name of OF_MODEL) files[name] = await opened(bytesOf(parts[name]));
  state.about = about;
  state.known = new Set(about.known);
  state.model = await Model.of(files, about);
  const black = new Float32Array(about.size ** 2);
  await state.model.answer(black); // the first answer takes longest
  await state.model.evidence(black);
  postMessage({ kind: "ready" });
}

// wanted: "answer", "map", or "view", which is both with the whole picture.
async function answer({ file, name, frame, wanted }) {
  const picture = await pictureOf(file, name, state.about.preprocessing, frame);
  const map = wanted === "answer" ? null : await state.model.evidence(picture.square);
  if (wanted === "map") {
    postMessage({ kind: "answer", result: map });
    return;
  }
  const said = await state.model.answer(picture.square);
  const isOfTraining = await isKnown(picture, state.known);
  if (isOfTraining === null) picture.remarks.push("untold");
  if (isOfTraining) picture.remarks.push("trained");
  const result = {
    ...said,
    map,
    remarks: [...picture.remarks, ...said.remarks],
    square: mapped(Uint8Array, picture.square, (value) => Math.round(255 * value)),
    frame: picture.frame,
    frames: picture.frames,
    width: picture.stored.width,
    height: picture.stored.height,
  };
  if (wanted === "view") {
    const scale = picture.grey instanceof Uint8Array ? 1 : 255;
    result.grey = mapped(Uint8Array, picture.grey, (value) => Math.round(scale * value));
  }
  postMessage({ kind: "answer", result }, result.grey ? [result.grey.buffer] : []);
}

addEventListener("message", async ({ data }) => {
  try {
    if (data.kind === "start") await start(data);
    else await answer(data);
  } catch (error) {
    if (data.kind === "start") postMessage({ kind: "failed", reason: firstLine(error) });
    else {
      const reason = error instanceof Refused ? error.message : `failed: ${firstLine(error)}`;
      postMessage({ kind: "refused", reason });
    }
  }
});
