// The model: its graph in onnxruntime, and what it says of a picture; vit/predictor.py.

import * as ort from "onnxruntime-web/wasm";
import { mapped } from "./arrays.js";
import { Refused } from "./limits.js";
import { rounded } from "./resize.js";

const OUTLIER = 3; // times the usual length of a patch token
const INPUT = "pixels";
const WEIGHTS = "weights"; // the file that both graphs read; vit/graph.py

export class Model {
  // Two graphs: one gives answers, the other, which takes longer, the map.
  constructor(answers, evidence, about) {
    this.answers = answers;
    this.graphOfMap = evidence;
    this.about = about;
  }

  // From the bytes of the runtime's wasm, of the two graphs and of the weights that both read.
  static async of({ ort: wasm, answers, evidence, weights }, about) {
    ort.env.wasm.numThreads = 1; // a page from disk has no shared memory
    ort.env.wasm.wasmBinary = wasm;
    ort.env.logLevel = "fatal";
    const externalData = [{ path: WEIGHTS, data: weights }];
    const options = { executionProviders: ["wasm"], logSeverityLevel: 4, externalData };
    const open = (graph) => ort.InferenceSession.create(graph, options);
    return new Model(await open(answers), await open(evidence), about);
  }

  // What the model says of one S x S picture of float32 from 0 to 1.
  async answer(square) {
    const said = await this.run(this.answers, square);
    const probabilities = softmax(said.logits.data, this.about.temperature);
    const distance = said.distance ? said.distance.data[0] : null;
    checkFinite([...probabilities, distance ?? 0]);
    return {
      probabilities,
      predicted: this.decided(probabilities),
      set: this.setOf(probabilities),
      distance,
      remarks: said.outliers.data[0] > OUTLIER ? ["outlier"] : [],
    };
  }

  // The evidence in each patch of such a picture, NaN where it was left out; 1 is an even share.
  async evidence(square) {
    const { map } = await this.run(this.graphOfMap, square);
    checkFinite(map.data.filter((value) => !Number.isNaN(value)));
    return Float32Array.from(map.data);
  }

  run(graph, square) {
    const { size, uint8 } = this.about;
    const pixels = uint8 ? mapped(Uint8Array, square, (value) => rounded(255 * value)) : square;
    const tensor = new ort.Tensor(uint8 ? "uint8" : "float32", pixels, [1, 1, size, size]);
    return graph.run({ [INPUT]: tensor });
  }

  // By the threshold where there are two classes, else the most probable; an index.
  decided(probabilities) {
    if (probabilities.length === 2) return Number(probabilities[1] >= this.about.threshold);
    return probabilities.indexOf(Math.max(...probabilities));
  }

  // The classes, by index, that the picture may well be of; null: the model cannot tell.
  setOf(probabilities) {
    const { limits } = this.about;
    if (!limits) return null;
    const indices = probabilities.map((_, index) => index);
    return indices.filter((i) => limits[i] === null || 1 - probabilities[i] <= limits[i]);
  }
}

function checkFinite(numbers) {
  if (!numbers.every(Number.isFinite)) {
    throw new Refused("the model gives no finite number for it, so its weights are damaged");
  }
}

function softmax(logits, temperature) {
  const scaled = Array.from(logits, (logit) => Math.fround(logit / temperature));
  const most = Math.max(...scaled);
  const powers = scaled.map((value) => Math.exp(value - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => Math.fround(power / sum));
}
