// Pictures and maps of evidence on a canvas.

const HATCH = 12; // pixels between the lines where the model has not looked
const HATCHED = 120; // their grey
const PERCENTILE = 0.995;

// Upper end of the colours of a map; 1 is an even share.
export function topOf(map, least) {
  const known = [...map].filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (known.length === 0) return least;
  const place = PERCENTILE * (known.length - 1);
  const low = known[Math.floor(place)];
  const high = known[Math.ceil(place)];
  return Math.max(least, low + (high - low) * (place % 1));
}

// Draw grey pixels, 0 to 255, on a canvas of their size.
export function paintGrey(canvas, grey, width, height) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  for (let i = 0; i < grey.length; i++) {
    picture.data.fill(grey[i], 4 * i, 4 * i + 3);
    picture.data[4 * i + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

// Draw a map smoothly over a square canvas; patches that the model left out are hatched.
export function paintMap(canvas, map, grid, top, colours) {
  const size = canvas.width;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(size, size);
  const inside = (place) => Math.max(0, Math.min(grid - 1, place));
  const at = (y, x) => map[inside(y) * grid + inside(x)] || 0;
  for (let y = 0; y < size; y++) {
    const v = ((y + 0.5) * grid) / size - 0.5;
    const row = Math.floor(v);
    for (let x = 0; x < size; x++) {
      const u = ((x + 0.5) * grid) / size - 0.5;
      const column = Math.floor(u);
      const upper = mixed(at(row, column), at(row, column + 1), u - column);
      const lower = mixed(at(row + 1, column), at(row + 1, column + 1), u - column);
      const share = Math.min(1, Math.max(0, mixed(upper, lower, v - row) / top));
      const cell = Math.floor((y * grid) / size) * grid + Math.floor((x * grid) / size);
      const isHatched = Number.isNaN(map[cell]) && (x + y) % HATCH < 2;
      const colour = isHatched ? [HATCHED, HATCHED, HATCHED] : colours[Math.round(255 * share)];
      picture.data.set([...colour, 255], 4 * (y * size + x));
    }
  }
  context.putImageData(picture, 0, 0);
}

function mixed(one, other, share) {
  return one + (other - one) * share;
}

// Draw the colours of the map from none to the top.
export function paintScale(canvas, colours) {
  const context = canvas.getContext("2d");
  const bar = context.createImageData(colours.length, 1);
  colours.forEach((colour, i) => bar.data.set([...colour, 255], 4 * i));
  context.putImageData(bar, 0, 0);
}
