// Resizing as OpenCV does it: the mean over an area where a picture shrinks, else linear.
//
// cv2.resize, modules/imgproc/src/resize.cpp. Pixels of 8 bits are rounded as there.

const COEFFICIENT = 2048; // of the whole numbers that weigh pixels of 8 bits

// Round to the nearest whole number, halves to the even one, as Python and OpenCV do.
export function rounded(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

// Pixels {width, height, data} of another size; data is a Uint8Array or a Float32Array.
export function resized(picture, width, height, byArea) {
  const inverse = [width / picture.width, height / picture.height];
  const scale = inverse.map((each) => 1 / each);
  if (byArea && scale[0] >= 1 && scale[1] >= 1) {
    const whole = scale.map((each) => rounded(each));
    const fits = scale.every((each, axis) => Math.abs(each - whole[axis]) < Number.EPSILON);
    return fits ? byBlocks(picture, width, height, whole) : byShares(picture, width, height, scale);
  }
  const across = columns(picture.width, width, scale[0], inverse[0], byArea);
  const down = rows(picture.height, height, scale[1], inverse[1], byArea);
  const isWhole = picture.data instanceof Uint8Array;
  return isWhole
    ? linearOfWhole(picture, width, height, across, down)
    : linearOfFloats(picture, width, height, across, down);
}

// The mean of blocks of whole pixels.
function byBlocks(picture, width, height, [wide, tall]) {
  const { data } = picture;
  const isWhole = data instanceof Uint8Array;
  const result = new data.constructor(width * height);
  const share = Math.fround(1 / (wide * tall));
  const halves = isWhole && wide === 2 && tall === 2;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let j = 0; j < tall; j++) {
        const start = (y * tall + j) * picture.width + x * wide;
        for (let i = 0; i < wide; i++) sum += data[start + i];
      }
      const mean = Math.fround(Math.fround(sum) * share);
      result[y * width + x] = halves ? (sum + 2) >> 2 : isWhole ? rounded(mean) : mean;
    }
  }
  return { width, height, data: result };
}

// For each new pixel along an axis which old ones it covers, and what share each has in it.
function shares(from, to, scale) {
  const table = [];
  for (let place = 0; place < to; place++) {
    const start = place * scale;
    const end = start + scale;
    const cell = Math.min(scale, from - start);
    let first = Math.ceil(start);
    let last = Math.min(Math.floor(end), from - 1);
    first = Math.min(first, last);
    const row = [];
    if (first - start > 1e-3) row.push([first - 1, Math.fround((first - start) / cell)]);
    for (let i = first; i < last; i++) row.push([i, Math.fround(1 / cell)]);
    if (end - last > 1e-3) {
      row.push([last, Math.fround(Math.min(Math.min(end - last, 1), cell) / cell)]);
    }
    table.push(row);
  }
  return table;
}

function byShares(picture, width, height, scale) {
  const { data } = picture;
  const isWhole = data instanceof Uint8Array;
  const result = new data.constructor(width * height);
  const across = shares(picture.width, width, scale[0]);
  const down = shares(picture.height, height, scale[1]);
  const line = new Float32Array(width);
  const sums = new Float32Array(width);
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    for (const [row, weight] of down[y]) {
      line.fill(0);
      for (let x = 0; x < width; x++) {
        for (const [column, share] of across[x]) {
          line[x] += Math.fround(data[row * picture.width + column] * share);
        }
      }
      for (let x = 0; x < width; x++) sums[x] += Math.fround(weight * line[x]);
    }
    for (let x = 0; x < width; x++) {
      result[y * width + x] = isWhole ? Math.min(255, rounded(sums[x])) : sums[x];
    }
  }
  return { width, height, data: result };
}

// For each new pixel along an axis the old one before it, and the weight of the one behind that.
function steps(from, to, scale, inverse, byArea) {
  const table = [];
  for (let place = 0; place < to; place++) {
    let before;
    let weight;
    if (byArea) {
      before = Math.floor(place * scale);
      weight = Math.fround(place + 1 - (before + 1) * inverse);
      weight = weight <= 0 ? 0 : Math.fround(weight - Math.floor(weight));
    } else {
      weight = Math.fround((place + 0.5) * scale - 0.5);
      before = Math.floor(weight);
      weight = Math.fround(weight - before);
    }
    table.push([before, weight]);
  }
  return table;
}

// [old pixel, the one behind it, weight of that one]; beyond an edge the weight is 0.
function columns(from, to, scale, inverse, byArea) {
  return steps(from, to, scale, inverse, byArea).map(([before, weight]) => {
    if (before < 0) return [0, 0, 0];
    if (before >= from - 1) return [from - 1, from - 1, 0];
    return [before, before + 1, weight];
  });
}

// Likewise; beyond an edge the last row is weighed twice, as OpenCV does, which rounds otherwise.
function rows(from, to, scale, inverse, byArea) {
  const inside = (row) => Math.min(Math.max(row, 0), from - 1);
  return steps(from, to, scale, inverse, byArea).map(([before, weight]) => [
    inside(before),
    inside(before + 1),
    weight,
  ]);
}

function linearOfWhole(picture, width, height, across, down) {
  const { data } = picture;
  const result = new Uint8Array(width * height);
  const whole = (weight) => rounded(Math.fround(weight * COEFFICIENT));
  const sides = across.map(([, , weight]) => [whole(Math.fround(1 - weight)), whole(weight)]);
  const row = (y) => {
    const start = y * picture.width;
    return sides.map(
      ([one, other], x) => data[start + across[x][0]] * one + data[start + across[x][1]] * other,
    );
  };
  for (let y = 0; y < height; y++) {
    const [above, below, weight] = down[y];
    const [upper, lower] = [row(above), row(below)];
    const [one, other] = [whole(Math.fround(1 - weight)), whole(weight)];
    for (let x = 0; x < width; x++) {
      const first = ((upper[x] >> 4) * one) >> 16;
      const second = ((lower[x] >> 4) * other) >> 16;
      result[y * width + x] = (first + second + 2) >> 2;
    }
  }
  return { width, height, data: result };
}

function linearOfFloats(picture, width, height, across, down) {
  const { data } = picture;
  const result = new Float32Array(width * height);
  const row = (y) => {
    const start = y * picture.width;
    return across.map(([before, behind, weight]) => {
      const one = Math.fround(data[start + before] * Math.fround(1 - weight));
      return Math.fround(one + Math.fround(data[start + behind] * weight));
    });
  };
  for (let y = 0; y < height; y++) {
    const [above, below, weight] = down[y];
    const [upper, lower] = [row(above), row(below)];
    for (let x = 0; x < width; x++) {
      const one = Math.fround(upper[x] * Math.fround(1 - weight));
      result[y * width + x] = Math.fround(one + Math.fround(lower[x] * weight));
    }
  }
  return { width, height, data: result };
}
