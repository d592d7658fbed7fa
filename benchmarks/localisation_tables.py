"""What benchmarks.localisation found, as tables on the terminal, as CSV and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from numpy.typing import NDArray

from benchmarks.faithfulness import Estimates, Sanity
from data.processed import Sample
from data.tables import write_table
from vit.explain import METHODS

METRICS = {"hit": "hits", "energy": "energy in the lesion", "ap": "average precision of pixels"}
REFERENCES = ("centre", "vesselness", "attention")
FAITHFUL = ("deletion", "insertion", "deletion_gain", "insertion_gain")
GREY = "0.55"
BLUE = "#0072b2"  # Okabe and Ito's


@dataclass(frozen=True)
class Results:
    """What came of each method.

    Args:
        estimates: by method and name.
        sanity: of each method that knows the model.
        without_evidence: maps that have none, by method.
    """

    estimates: Estimates
    sanity: dict[str, Sanity]
    without_evidence: dict[str, int]

    def print(self) -> None:
        """All tables."""
        for metric, title in METRICS.items():
            names = [metric, *(f"{metric}_minus_{other}" for other in REFERENCES)]
            known = [name for name in names if any(name in row for row in self.estimates.values())]
            heads = [name.replace(f"{metric}_", "").replace("_", " ") for name in known]
            show(title, heads, self._rows(known))
        if faithful := self._rows(FAITHFUL):
            show(
                "faithfulness; gain: against random orders, positive is better for both",
                FAITHFUL,
                faithful,
            )
        stages = list(next(iter(self.sanity.values())).stages) if self.sanity else []
        sane = {name: _sanity_cells(each) for name, each in self.sanity.items()}
        show(
            "sanity: SSIM with the original map after forgetting, and of two images",
            [*stages, "two images", ""],
            sane,
        )
        dead = [f"{name} {count}" for name, count in self.without_evidence.items() if count]
        print("\nimages without any evidence:", ", ".join(dead) or 0)

    def _rows(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Cells of the methods that have the first of these estimates."""
        return {
            method: [str(row.get(name, "")) for name in names]
            for method, row in self.estimates.items()
            if names[0] in row
        }

    def write(self, path: Path) -> None:
        """A row for each method: estimates with their ends, maps without evidence, sanity check."""
        rows = []
        for method, estimates in self.estimates.items():
            dead = str(self.without_evidence.get(method, ""))
            row = {"method": method, "images_without_evidence": dead}
            for name, each in estimates.items():
                row[name] = f"{each.value:.6g}"
                row[f"{name}_low"] = f"{each.low:.6g}"
                row[f"{name}_high"] = f"{each.high:.6g}"
            if own := self.sanity.get(method):
                for stage, value in own.stages.items():
                    row[f"ssim_{stage.replace(' ', '_')}"] = f"{value:.6g}"
                row["ssim_two_images"] = f"{own.unrelated:.6g}"
                row["sanity"] = "pass" if own.passed else "fail"
            rows.append(row)
        write_table(path, rows, list(dict.fromkeys(name for row in rows for name in row)))

    def draw(self, title: str, path: Path) -> None:
        """A panel for each metric: the methods with their intervals, baselines in grey below."""
        names = [name for name in self.estimates if "hit" in self.estimates[name]][::-1]
        size = (10, 1.2 + 0.32 * len(names))
        figure, panels = plt.subplots(1, 3, figsize=size, sharey=True, layout="constrained")
        figure.suptitle(
            f"{title}\nbars: 95 % intervals; grey: what knows no model, dotted its best",
            fontsize=9,
        )
        for panel, (metric, label) in zip(panels, METRICS.items(), strict=True):
            for place, name in enumerate(names):
                own = self.estimates[name][metric]
                colour = BLUE if name in METHODS else GREY
                panel.hlines(place, own.low, own.high, color=colour, linewidth=2)
                panel.plot(own.value, place, "o", color=colour, markersize=6)
            others = [self.estimates[name][metric].value for name in names if name not in METHODS]
            panel.axvline(max(others), color=GREY, linestyle=":", linewidth=1, zorder=0)
            panel.set_xlabel(label, fontsize=9)
            panel.set_xlim(left=0)
            panel.set_yticks(range(len(names)), names, fontsize=9)
            panel.tick_params(axis="x", labelsize=8)
            panel.grid(axis="x", color="0.92")
            panel.set_axisbelow(True)
            panel.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, dpi=130)
        plt.close(figure)


def _sanity_cells(each: Sanity) -> list[str]:
    values = [f"{value:.3f}" for value in (*each.stages.values(), each.unrelated)]
    return [*values, "pass" if each.passed else "FAIL"]


def show(title: str, heads: Sequence[str], rows: dict[str, list[str]]) -> None:
    """Print a table whose columns are as wide as what is in them."""
    widths = [max(map(len, column)) + 2 for column in zip(heads, *rows.values(), strict=True)]
    print(f"\n{title}")
    for name, cells in {"": heads, **rows}.items():
        padded = map(str.rjust, cells, widths)
        print(f"{name:<18}{''.join(padded)}")


def write_images(samples: list[Sample], judged: dict[str, NDArray], path: Path) -> None:
    """A row for each image and method; ``judged``: (n, 3) metrics by method."""
    rows = [
        {"path": sample.path, "method": name}
        | {metric: f"{value:.6g}" for metric, value in zip(METRICS, own, strict=True)}
        for name, values in judged.items()
        for sample, own in zip(samples, values, strict=True)
    ]
    write_table(path, rows)
