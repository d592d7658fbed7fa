"""Validation AUROC over seconds, of this project's recipe and of other networks.

python -m benchmarks.time_to_quality --Path ProcessedFolder --Config config.yml \\
    --phantoms phantoms.yml --init pretrained/ViT.ckpt --OUTPUT folder

Beside ours stand timm's ViT, a ViT for small data and ResNet-18. Each network learns for --minutes
from scratch, and again after the same phantoms: ours from --init, the others for --phantom_minutes.
Ours ends after the passes of its recipe if these take less. Minutes are processor time of one
thread, so that other work on the machine does not count; a second process loads the images. What is
done is kept in the folder and not done again. Leaves time_to_quality.csv and .png.
"""

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

import CONFIG
import errors
from benchmarks.peer_networks import PEERS, Curve, learn, network
from CONFIG import Config
from data import processed
from data.processed import Processed
from data.tables import read_table, write_table
from errors import UserError
from files import written_whole
from phantoms import stream
from training.initial_weights import InitialWeights
from vit.model import VisionTransformer

COLUMNS = ("network", "after phantoms", "seed", "seconds", "seconds with phantoms", "auroc")
Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Cell:
    """One training: of a network, from scratch or after phantoms, with a seed."""

    seed: int
    after: bool
    name: str

    @property
    def title(self) -> str:
        """As it is printed and drawn."""
        return f"{self.name}, after phantoms" if self.after else self.name

    def file(self, output: Path) -> Path:
        """Where its curve is kept."""
        return output / f"{self.name}-{self.after}-{self.seed}.csv"


def train(cell: Cell, folder: Processed, config: Config, given: argparse.Namespace) -> Curve:
    """The curve of a training."""
    torch.manual_seed(cell.seed)
    net = network(cell.name, config)
    own = dataclasses.replace(config, seed=cell.seed)
    if cell.after and isinstance(net, VisionTransformer):
        InitialWeights(given.init).give_to(net, config)
    elif cell.after:
        net.load_state_dict(after_phantoms(cell.name, given))
    rate = PEERS.get(cell.name, (config.lr, config.weight_decay))
    return learn(net, folder, own, rate, given.minutes)[0]


def after_phantoms(name: str, given: argparse.Namespace) -> dict[str, Tensor]:
    """Weights of a peer that has learned from phantoms, from the folder if they are there."""
    weights = given.OUTPUT / f"{name}.pt"
    if not weights.exists():
        before = CONFIG.load(given.phantoms)
        torch.manual_seed(0)
        net = network(name, before)
        images = stream.make(before, given.OUTPUT / "phantoms")
        learn(net, images, before, PEERS[name], given.phantom_minutes)
        with written_whole(weights) as beside:
            torch.save(net.state_dict(), beside)
    return dict(torch.load(weights, weights_only=True))


def train_all(given: argparse.Namespace) -> None:
    """Train what is not done yet.

    Raises:
        UserError: the folder holds runs of something else.
    """
    config = CONFIG.load(given.Config)
    phantoms = CONFIG.load(given.phantoms)
    folder = processed.load(given.Path)
    given.OUTPUT.mkdir(parents=True, exist_ok=True)
    parts = (config.fingerprint(), phantoms.fingerprint(), folder.split_hash(), given.minutes)
    wanted = " ".join(map(str, parts))
    asked = given.OUTPUT / "asked.txt"
    if asked.exists() and asked.read_text() != wanted:
        raise UserError(
            f"{given.OUTPUT}: holds runs of another configuration, data or time; name another "
            "folder"
        )
    asked.write_text(wanted)
    cells = [
        Cell(seed, after, name)
        for after in (False, True)
        for seed in range(given.seeds)
        for name in given.networks
    ]
    for cell in cells:
        file = cell.file(given.OUTPUT)
        if file.exists():
            continue
        curve = train(cell, folder, config, given)
        extra = 60 * given.phantom_minutes if cell.after else 0
        rows = [(cell.name, cell.after, cell.seed, s, s + extra, auroc) for s, auroc in curve]
        write_table(file, [dict(zip(COLUMNS, row, strict=True)) for row in rows])
        best = max(auroc for _, auroc in curve)
        print(f"{cell.title}, seed {cell.seed}: best {best:.3f}", flush=True)


def reached(rows: Rows, auroc: float) -> float:
    """Seconds after which a run is first as good; infinite if it never is."""
    good = [float(row["seconds"]) for row in rows if float(row["auroc"]) >= auroc]
    return min(good, default=np.inf)


def summarise(output: Path) -> None:
    """Join the cells into time_to_quality.csv; print and draw them."""
    runs = {}
    for file in sorted(output.glob("*-*-[0-9]*.csv")):
        rows = read_table(file)
        first = rows[0]
        after = first["after phantoms"] == "True"
        runs[Cell(int(first["seed"]), after, first["network"])] = rows
    joined = [row for rows in runs.values() for row in rows]
    write_table(output / "time_to_quality.csv", joined, COLUMNS)
    mine = [rows for cell, rows in runs.items() if cell.after and cell.name == "ours"]
    for cell, rows in runs.items():
        best = max(float(row["auroc"]) for row in rows)
        own = reached(rows, best)
        ours = float(np.median([reached(run, best) for run in mine]))
        sooner = f"is as good after {ours:.0f} s: {own / ours:.1f} times sooner"
        print(
            f"{cell.title:<32}seed {cell.seed}: best AUROC {best:.3f} after {own:.0f} s; "
            f"ours after phantoms {sooner if ours < np.inf else 'never is as good'}"
        )
    draw(runs, output / "time_to_quality.png")


def draw(runs: dict[Cell, Rows], path: Path) -> None:
    """A curve for each run: a colour for each network, dashed from scratch."""
    names = list(dict.fromkeys(cell.name for cell in runs))
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    labelled: set[str] = set()
    for cell, rows in runs.items():
        axis.plot(
            [float(row["seconds"]) for row in rows],
            [float(row["auroc"]) for row in rows],
            "-" if cell.after else "--",
            color=f"C{names.index(cell.name)}",
            alpha=0.7,
            label=None if cell.title in labelled else cell.title,
        )
        labelled.add(cell.title)
    axis.set(xlabel="seconds of training on the images, one thread", ylabel="validation AUROC")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right center", fontsize=8)
    figure.savefig(path, dpi=110)


def main(argv: list[str]) -> None:
    """Train what is not done yet, and sum up; a user's mistake ends in one line."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.time_to_quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in ("--Path", "--Config", "--phantoms", "--init", "--OUTPUT"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--phantom_minutes", type=float, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", default=["ours", *PEERS])
    given = parser.parse_args(argv)
    with errors.ending_in_one_line():
        train_all(given)
        summarise(given.OUTPUT)


if __name__ == "__main__":
    errors.run(main)
