// Which frame of a run shows the most vessels full of contrast medium; data/frames.py, data/runs.py.

const EDGE = 256; // px at most that a frame is judged in
const WIDTH = 1.5; // px, standard deviation of the Gaussian
const BLACK = 0.25; // of the grey range, added before the logarithm
const BACKGROUND = 24; // frames at most that tell what is always there
const ALWAYS = 0.25; // share of these that may be without a ridge that is always there
const NOISE = 0.8; // quantile of all ridges
const PLAIN = 1.5; // times the noise from which on a ridge counts
const POWER = 0.4; // of what is above that
const FIXED = 3; // times the noise from which on a ridge that is always there is left out
const FEW = 5; // frames from which on the curve is smoothed
const WEIGHTS = [1, 2, 3, 2, 1];
const TOP = 0.85; // of the height of the curve
const FLAT = 0.04; // of all ridges
const MOST_FRAMES = 128; // of a run that are judged
const MOST_PIXELS = 256e6; // of these frames together

// The frame of a run with the most filled vessels; the middle one where all are alike.
// read: gives the stored values of a frame; inverse: low values are bright.
export async function bestFrame(count, width, height, inverse, read) {
  const most = Math.max(1, Math.min(MOST_FRAMES, Math.floor(MOST_PIXELS / (width * height))));
  const step = Math.ceil(count / most);
  const numbers = [];
  for (let n = Math.floor((step - 1) / 2); n < count; n += step) numbers.push(n);
  const frames = [];
  for (const n of numbers) frames.push(reduced(await read(n), width, height, inverse));
  const curve = filling(frames);
  const isFlat = Math.max(...curve) - quantile(curve, 0.25) <= FLAT;
  return isFlat ? Math.floor(count / 2) : numbers[middleOfTop(curve)];
}

// {data, width, height}: means over square blocks.
function reduced(values, width, height, inverse) {
  const step = Math.ceil(Math.max(width, height) / EDGE);
  const columns = Math.max(1, Math.floor(width / step));
  const rows = Math.max(1, Math.floor(height / step));
  const [high, wide] = [Math.min(step, height), Math.min(step, width)];
  const data = new Float32Array(rows * columns);
  for (let y = 0; y < rows * high; y++) {
    const row = Math.floor(y / high) * columns;
    for (let x = 0; x < columns * wide; x++) {
      data[row + Math.floor(x / wide)] += values[y * width + x];
    }
  }
  const share = (inverse ? -1 : 1) / (high * wide);
  return { data: data.map((sum) => sum * share), width: columns, height: rows };
}

function filling(frames) {
  const { width, height } = frames[0];
  const ridges = greyOf(frames).map((grey) => ridge(grey, width, height));
  const step = Math.ceil(ridges.length / BACKGROUND);
  const told = ridges.filter((_, i) => i % step === 0);
  const noise = noiseOf(told, width, height);
  if (noise === 0) return ridges.map(() => 0);
  const near = told.map((each) => dilated(each, width, height));
  const fixed = near[0].map((_, i) => {
    return quantile(near.map((each) => each[i]), ALWAYS) >= FIXED * noise ? 1 : 0;
  });
  let whole = 0;
  const sums = ridges.map((each) => {
    let sum = 0;
    for (let i = 0; i < each.length; i++) {
      const above = each[i] / noise - PLAIN;
      if (above <= 0) continue;
      whole += above ** POWER / ridges.length;
      if (!fixed[i]) sum += above ** POWER;
    }
    return sum;
  });
  const curve = sums.map((sum) => sum / whole);
  return curve.length >= FEW ? smoothed(curve) : curve;
}

// The logarithm of each frame in one scale; medians over the frames tell black and white.
function greyOf(frames) {
  const ends = frames.map(({ data }) => {
    let [low, high] = [Infinity, -Infinity];
    for (const value of data) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return [low, high];
  });
  const black = median(ends.map(([low]) => low));
  const span = Math.max(median(ends.map(([, high]) => high)) - black, 1e-6);
  return frames.map(({ data }) =>
    data.map((value) => Math.log(Math.min(Math.max((value - black) / span, 0), 1) + BLACK)),
  );
}

// How much each pixel lies on a dark line, from the eigenvalues of the Hessian.
function ridge(grey, width, height) {
  const blurred = blur(blur(grey, width, height, 1, 0), width, height, 0, 1);
  const result = new Float32Array(grey.length);
  for (let y = 0; y < height; y++) {
    const [up, row, down] = [Math.max(y - 1, 0), y, Math.min(y + 1, height - 1)].map(
      (place) => place * width,
    );
    for (let x = 0; x < width; x++) {
      const [left, right] = [Math.max(x - 1, 0), Math.min(x + 1, width - 1)];
      const here = 2 * blurred[row + x];
      const xx = blurred[row + right] - here + blurred[row + left];
      const yy = blurred[down + x] - here + blurred[up + x];
      const rising = blurred[down + right] + blurred[up + left];
      const xy = (rising - blurred[down + left] - blurred[up + right]) / 4;
      const middle = (xx + yy) / 2;
      const apart = Math.hypot((xx - yy) / 2, xy);
      result[row + x] = Math.max(0, middle + apart - Math.abs(middle - apart));
    }
  }
  return result;
}

// One way of a Gaussian, as wide as OpenCV makes it for floating numbers.
function blur(data, width, height, right, down) {
  const size = Math.round(WIDTH * 8 + 1) | 1;
  const half = (size - 1) / 2;
  const weights = Array.from({ length: size }, (_, i) => Math.exp(-((i - half) ** 2) / 2 / WIDTH ** 2));
  const whole = weights.reduce((sum, weight) => sum + weight);
  const result = new Float32Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let i = 0; i < size; i++) {
        const column = Math.min(Math.max(x + right * (i - half), 0), width - 1);
        const row = Math.min(Math.max(y + down * (i - half), 0), height - 1);
        sum += weights[i] * data[row * width + column];
      }
      result[y * width + x] = sum / whole;
    }
  }
  return result;
}

function noiseOf(ridges, width, height) {
  const values = [];
  for (const each of ridges) {
    for (let y = 0; y < height; y += 2) {
      for (let x = 0; x < width; x += 2) values.push(each[y * width + x]);
    }
  }
  return quantile(Float32Array.from(values), NOISE);
}

// The greatest of each pixel and the eight about it.
function dilated(data, width, height) {
  return data.map((_, place) => {
    const [x, y] = [place % width, Math.floor(place / width)];
    let most = 0;
    for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
      for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
        most = Math.max(most, data[row * width + column]);
      }
    }
    return most;
  });
}

// The median over 3 frames, then a weighted mean over 5.
function smoothed(curve) {
  const last = curve.length - 1;
  const at = (values, i) => values[Math.min(Math.max(i, 0), last)];
  const medians = curve.map((_, i) => median([at(curve, i - 1), curve[i], at(curve, i + 1)]));
  const half = (WEIGHTS.length - 1) / 2;
  const whole = WEIGHTS.reduce((sum, weight) => sum + weight);
  return medians.map((_, i) => {
    return WEIGHTS.reduce((sum, weight, j) => sum + weight * at(medians, i + j - half), 0) / whole;
  });
}

function middleOfTop(curve) {
  const top = curve.indexOf(Math.max(...curve));
  const level = TOP * Math.max(...curve) + (1 - TOP) * Math.min(...curve);
  let [first, last] = [top, top];
  while (first > 0 && curve[first - 1] > level) first -= 1;
  while (last < curve.length - 1 && curve[last + 1] > level) last += 1;
  let [sum, whole] = [0, 0];
  for (let i = first; i <= last; i++) {
    sum += i * (curve[i] - level);
    whole += curve[i] - level;
  }
  return Math.floor(sum / whole + 0.5);
}

// The lower of the two values about a quantile.
function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.floor(share * (sorted.length - 1))];
}

function median(values) {
  const sorted = Float64Array.from(values).sort();
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
