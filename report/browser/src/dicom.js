// One frame of a grey DICOM file as a viewer shows it; data/dicom.py.

import { DicomFile } from "./dicom_file.js";
import { framePixels, layoutOf } from "./dicom_pixels.js";
import { isInverse, shown } from "./dicom_shown.js";
import { bestFrame } from "./frames.js";
import { Refused, aspectOf, checkSize, firstLine } from "./limits.js";

const GREY = ["MONOCHROME1", "MONOCHROME2"];
const COLOURED = ["COLOR", "MIXED", "TRUE_COLOR"];
const SPACINGS = ["x00280030", "x00181164", "x00280034"]; // on the patient, on the detector, ratio

// {width, height, data, bits, aspect, remarks, ends, frame, frames}.
export async function readDicom(bytes, preprocessing, wanted) {
  const file = DicomFile.of(bytes);
  try {
    return await read(file, preprocessing, wanted);
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused(`no readable DICOM: ${firstLine(error)}`);
  }
}

async function read(file, preprocessing, wanted) {
  const photometric = file.text("x00280004");
  if (!GREY.includes(photometric)) {
    throw new Refused(`got ${photometric ?? "no image"}, wanted a grey DICOM image`);
  }
  const isTurned = file.text("x20500020") === "INVERSE";
  if (photometric === "MONOCHROME2" && isTurned) {
    throw new Refused("got MONOCHROME2 with an inverse presentation; export it again");
  }
  const frames = framesOf(file);
  const layout = layoutOf(file);
  checkSize(layout.columns, layout.rows);
  const window = preprocessing.window;
  const frame = await frameOf(file, layout, frames, wanted ?? preprocessing.frame, window);
  if (frame < 0 || frame >= frames) {
    throw new Refused(`got frame ${frame}, wanted one from 0 to ${frames - 1}`);
  }
  file.takeFrame(frame);
  const values = await framePixels(file, layout, frame, frames);
  const picture = shown(values, file, layout, photometric === "MONOCHROME1", window);
  const remarks = [...(picture.remarks ?? []), ...remarksOf(file)];
  const size = { width: layout.columns, height: layout.rows };
  return { ...picture, ...size, aspect: aspect(file), remarks, frame, frames };
}

// The number of the frame that is taken by a rule; data/runs.py.
async function frameOf(file, layout, frames, rule, window) {
  const isXray = ["XA", "RF"].includes(file.text("x00080060"));
  if (frames > 1 && (rule === "best" || (isXray && ["auto", "all"].includes(rule)))) {
    file.takeFrame(0);
    const inverse = isInverse(file, layout, window);
    const read = (index) => framePixels(file, layout, index, frames);
    return bestFrame(frames, layout.columns, layout.rows, inverse, read);
  }
  return rule === -1 || typeof rule === "string" ? Math.floor(frames / 2) : rule;
}

function framesOf(file) {
  const frames = file.number("x00280008") || 1;
  if (!Number.isInteger(frames) || frames < 1) throw new Refused(`got ${frames} frames`);
  return frames;
}

function aspect(file) {
  const found = SPACINGS.map((tag) => file.texts(tag)).find((texts) => texts.length > 0);
  return found?.length === 2 ? aspectOf(Number(found[0]), Number(found[1])) : 1;
}

function remarksOf(file) {
  const overlays = Array.from(
    { length: 16 },
    (_, i) => `x60${(2 * i).toString(16).padStart(2, 0)}`,
  );
  const declared = {
    subtracted: file.text("x00281090") === "SUB",
    beside: COLOURED.includes(file.text("x00089205")),
    text: file.text("x00280301") === "YES",
    scout: file.texts("x00080008").includes("LOCALIZER"),
    overlay: overlays.some((group) => file.has(`${group}3000`)),
  };
  return Object.keys(declared).filter((name) => declared[name]);
}
