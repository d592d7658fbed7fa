"""How like real curved reformations the made-up ones are: a table, and a sheet that mixes them.

python -m benchmarks.ct_likeness --Path ../shared/datasets/ccta_mpr --OUTPUT sheets

One instrument measures both, at 256 px. Of a real picture the vessel's course is given by points
placed by hand, of a made-up one by its mask. Real pictures are never a source of made-up pixels.
"""

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import errors
from data.readers import read_pixels
from phantoms.mpr import phantom

Grey = NDArray[np.uint8]
SIZE = 256
# thousandths of the picture's edge, from the mouth of the vessel on
COURSES = {
    "attention_2": "318,240 332,285 346,350 375,430 430,480 510,540 590,590 645,640 655,690 685,745"
    " 705,800 705,850",
    "readme23_1": "455,135 440,180 441,240 420,300 375,355 335,400 345,440 370,500 382,550 405,605"
    " 430,670 455,725 485,765 497,820 508,870",
    "readme23_2": "480,195 450,225 395,260 378,310 370,370 355,430 362,490 390,530 375,590 365,660"
    " 372,720 400,760 470,778 540,797 590,835 640,862",
}
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)  # along the course
QUANTILES = (10, 25, 50, 75, 90, 99)
BLACK = 6


def read(path: Path) -> Grey:
    """(SIZE, SIZE) grey levels."""
    return np.asarray(
        cv2.resize(np.asarray(read_pixels(path)), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    )


def course_of(name: str) -> NDArray:
    """(K, 2) x, y in pixels of a real picture's vessel."""
    pairs = [pair.split(",") for pair in COURSES[name].split()]
    return np.array(pairs, float) * SIZE / 1000


def course_in(mask: Grey) -> NDArray:
    """(K, 2) x, y of the middle of a mask, row by row."""
    rows = np.flatnonzero(mask.any(1))
    middle = np.array([np.flatnonzero(mask[row]).mean() for row in rows])
    smooth = cv2.blur(middle[:, None], (1, 7), borderType=cv2.BORDER_REPLICATE)[:, 0]
    return np.stack([smooth + 0.5, rows + 0.5], 1)


def widths(image: Grey, course: NDArray) -> tuple[NDArray, NDArray]:
    """Full width at half height [px] and height [grey levels] at SHARES of the course."""
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(course, axis=0), axis=1))])
    even = np.linspace(0, lengths[-1], 200)
    line = np.stack([np.interp(even, lengths, course[:, axis]) for axis in range(2)], 1)
    way = np.gradient(cv2.blur(line, (1, 9), borderType=cv2.BORDER_REPLICATE), axis=0)
    way /= np.linalg.norm(way, axis=1, keepdims=True) + 1e-9
    off = np.arange(-12, 12.1, 0.25)
    x = line[:, :1] - way[:, 1:] * off - 0.5
    y = line[:, 1:] + way[:, :1] * off - 0.5
    profiles = cv2.remap(
        image.astype(np.float32), x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR
    )
    found = np.array([_half_width(profile) for profile in profiles])
    near = [np.abs(np.linspace(0, 1, 200) - share) < 0.06 for share in SHARES]
    return (
        np.array([np.nanmedian(found[part, 0]) for part in near]),
        np.array([np.nanmedian(found[part, 1]) for part in near]),
    )


def _half_width(profile: NDArray) -> tuple[float, float]:
    """Width [px] and top of the peak in the middle of a profile; nan where it has no foot."""
    middle = len(profile) // 2
    top = middle - 8 + int(profile[middle - 8 : middle + 9].argmax())
    left, right = profile[: top + 1], profile[top:]
    half = 0.5 * (profile[top] + max(left.min(), right.min()))
    below = np.flatnonzero(left < half), np.flatnonzero(right < half)
    if not len(below[0]) or not len(below[1]):
        return np.nan, float(profile[top])
    return 0.25 * (top - below[0][-1] + below[1][0] - 1), float(profile[top])


def measures(image: Grey, course: NDArray) -> dict[str, float]:
    """All numbers of one picture."""
    wide, high = widths(image, course)
    grey = image.astype(np.float32)
    seen = grey[grey > BLACK]
    out = {
        f"width at {share:.0%} [% of edge]": 100 * w / SIZE
        for share, w in zip(SHARES, wide, strict=True)
    }
    out |= {"vessel grey at 10%": high[0], "vessel grey at 90%": high[-1]}
    out |= {"height of course [%]": 100 * float(np.ptp(course[:, 1])) / SIZE}
    out |= {
        "black [%]": 100 * float((grey <= BLACK).mean()),
        "saturated [%]": 100 * float((grey >= 250).mean()),
    }
    out |= {f"grey, quantile {q}": float(np.percentile(seen, q)) for q in QUANTILES}
    mean = cv2.blur(grey, (9, 9))
    spread = np.sqrt(np.maximum(cv2.blur(grey**2, (9, 9)) - mean**2, 0))
    at = np.unravel_index(np.argmax(np.where(mean < 245, mean - 3 * spread, 0)), mean.shape)
    tissue = (mean > 60) & (mean < 130)
    out |= {"aorta grey": float(mean[at]), "aorta noise": float(spread[at])}
    out |= {"tissue noise": float(np.percentile(spread[tissue], 20)) if tissue.any() else np.nan}
    return out | spectrum(grey)


def spectrum(grey: NDArray) -> dict[str, float]:
    """Slope of the power spectrum in log-log, and its fine part."""
    window = np.hanning(SIZE)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window * window[:, None])) ** 2
    far = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.fftfreq(SIZE)[None])
    edges = np.geomspace(0.03, 0.3, 12)
    bins = np.digitize(far, edges)
    radial = np.array([power[bins == k].mean() for k in range(1, 12)])
    slope = np.polyfit(np.log(np.sqrt(edges[1:] * edges[:-1])), np.log(radial), 1)[0]
    fine = power[(far > 0.3) & (far < 0.45)].mean() / power[(far > 0.03) & (far < 0.1)].mean()
    return {"spectrum slope": float(slope), "fine power [dB]": 10 * float(np.log10(fine))}


def sheet(pictures: list[Grey], size: int, columns: int = 4) -> Grey:
    """The pictures at ``size`` px, side by side."""
    tiles = [
        np.pad(cv2.resize(p, (size, size), interpolation=cv2.INTER_AREA), 3, constant_values=96)
        for p in pictures
    ]
    rows = [np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)]
    return np.vstack(rows)


def main(argv: list[str]) -> None:
    """Print the table; with --OUTPUT write a mixed sheet at 128 and at 256 px and its answers."""
    parser = argparse.ArgumentParser("python -m benchmarks.ct_likeness", description=__doc__)
    parser.add_argument("--Path", type=Path, default=Path("../shared/datasets/ccta_mpr"))
    parser.add_argument("--OUTPUT", type=Path, default=None, help="folder of the sheets")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    real = {path.stem: read(path) for path in sorted(given.Path.glob("*/*.png"))}
    columns = [measures(image, course_of(name)) for name, image in real.items()]
    made = [phantom(given.seed, index, SIZE, 1, 1) for index in range(given.count)]
    found = [measures(one.image, course_in(one.lumen)) for one in made]
    print(f"{'':26s}" + "".join(f"{name:>13s}" for name in real) + "  made-up: 10 %, 50 %, 90 %")
    for key in columns[0]:
        spread = np.nanpercentile([one[key] for one in found], [10, 50, 90])
        here = "".join(f"{column[key]:13.2f}" for column in columns)
        print(f"{key:26s}{here}  " + "".join(f"{value:9.2f}" for value in spread))
    if given.OUTPUT:
        _write_sheets(given.OUTPUT, list(real.values()), [one.image for one in made], given.seed)


def _write_sheets(folder: Path, real: list[Grey], made: list[Grey], seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng: Any = np.random.default_rng([seed, 1])
    mixed = [*real, *[made[k] for k in rng.permutation(len(made))[: 12 - len(real)]]]
    order = rng.permutation(12)
    for size in (128, 256):
        cv2.imwrite(str(folder / f"mixed_{size}.png"), sheet([mixed[k] for k in order], size))
    places = sorted(int(place) + 1 for place in np.flatnonzero(order < len(real)))
    (folder / "answers.txt").write_text(f"real: number {places}, row by row from 1\n")


if __name__ == "__main__":
    errors.run(main)
