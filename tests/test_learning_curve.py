"""python -m report.learning_curve: shares within shares, the same validation, one sentence."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

import CONFIG
from data.prepare import prepare
from data.processed import Processed, Sample, load
from data.readers import DataError
from report import learning_curve
from report.curve import Curve, Point, draw, verdict
from report.shares import part
from tests.conftest import CONFIGURATION, contents
from training.run import Run
from training.validation import Validation
from vit import checkpoint

NAMES = ["normal", "abnormal"]


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Arguments for two epochs on images of 32 px."""
    values = {**vars(CONFIGURATION), "epochs": 2, "batch_size": 8, "num_workers": 0}
    CONFIG.write(
        CONFIG.Config(**{**values, "data_folder": str(tmp_path / "processed")}),
        tmp_path / "config.yml",
    )
    return [
        "--Config",
        f"{tmp_path}/config.yml",
        "--device",
        "cpu",
        "--OUTPUT",
        f"{tmp_path}/curve",
    ]


@pytest.fixture
def with_data(command: list[str], tmp_path: Path, pictures: Callable[..., Path]) -> list[str]:
    """The same with the images there: 18 to train, 6 for validation."""
    prepare(
        pictures(height=32, width=32),
        tmp_path / "processed",
        CONFIG.Config(image_size=32, val_share=0.25),
    )
    return command


def table(command: list[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(command[-1], "learning_curve.csv").open(encoding="utf-8")))


def made(groups: int) -> Processed:
    """Two images of each group; every third group is abnormal, and there is one of both classes."""
    sides = [("train", NAMES[i % 3 == 0], f"g{i}") for i in range(groups) for _ in range(2)]
    sides += [("train", name, "both") for name in NAMES] + [("val", name, "v") for name in NAMES]
    samples = [
        Sample(f"{i}.npy", split, label, group) for i, (split, label, group) in enumerate(sides)
    ]
    return Processed(Path(), samples, NAMES, {"mean": 0.4, "std": 0.2, "border": 0.1})


def groups(folder: Processed, label: str = "") -> set[str]:
    return {sample.group for sample in folder.of("train") if label in ("", sample.label)}


def test_shares_hold_whole_groups_and_lie_within_each_other() -> None:
    folder = made(60)
    small, middle, whole = (part(folder, share, seed=3) for share in (0.2, 0.5, 1.0))
    assert groups(small) < groups(middle) < groups(whole) == groups(folder)
    assert all(
        len([s for s in small.of("train") if s.group == group]) == 2 for group in groups(small)
    )


def test_each_class_has_its_share() -> None:
    half = part(made(60), 0.5, seed=0)
    assert [len(groups(half, name) - {"both"}) for name in NAMES] == [20, 10]


def test_another_seed_takes_other_groups() -> None:
    one, two, again = (groups(part(made(60), 0.2, seed)) for seed in (0, 1, 0))
    assert one == again != two


def test_validation_is_the_same_and_the_statistics_are_of_the_share() -> None:
    share = part(made(60), 0.2, seed=0)
    assert share.of("val") == made(60).of("val")
    assert share.info == {"border": 0.1}


def test_images_without_a_group_stand_alone() -> None:
    samples = [Sample(f"{i}.npy", "train", NAMES[i % 2]) for i in range(20)]
    assert len(part(Processed(Path(), samples, NAMES, {}), 0.5, seed=0).samples) == 10


def test_a_share_with_too_few_groups_says_which_is_enough() -> None:
    with pytest.raises(
        DataError,
        match=r"got 0.05, which leaves 1 group\(s\) of class normal.*; give shares from 0.15 on",
    ):
        part(
            Processed(Path(), [s for s in made(30).samples if s.group != "both"], NAMES, {}),
            0.05,
            seed=0,
        )
    part(
        Processed(Path(), [s for s in made(30).samples if s.group != "both"], NAMES, {}),
        0.15,
        seed=0,
    )


def test_a_class_of_one_group_asks_for_images() -> None:
    with pytest.raises(
        DataError, match=r"leaves 1 group\(s\) of class abnormal, wanted 2 or more; add images"
    ):
        part(
            Processed(Path(), [s for s in made(3).samples if s.group != "both"], NAMES, {}),
            1.0,
            seed=0,
        )


def test_the_command_leaves_table_and_picture_and_says_one_sentence(
    with_data: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    learning_curve.main([*with_data, "--shares", "1", "0.3", "--seeds", "2"])
    rows = table(with_data)
    assert [(row["share"], row["seed"], row["images"]) for row in rows] == [
        ("0.3", "0", "6"),
        ("0.3", "1", "6"),
        ("1.0", "0", "18"),
        ("1.0", "1", "18"),
    ]
    assert all(float(row["low"]) <= float(row["auroc"]) <= float(row["high"]) for row in rows)
    steps = [int(row["epochs"]) * (int(row["times"]) * int(row["images"]) // 8) for row in rows]
    assert steps == [4] * 4
    assert matplotlib.image.imread(Path(with_data[-1], "learning_curve.png")).std() > 0.05
    assert "\nFrom 6 to 18 images the AUROC changed by " in capsys.readouterr().out


def test_every_training_takes_all_its_steps_and_is_judged_by_its_last_weights(
    with_data: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best ones would have been chosen on the images that judge them."""
    asked = list[tuple[int, int, str]]()
    finish = Run.finish

    def look(run: Run) -> None:
        asked.append((run.config.patience, len(run.data.train), run.final))
        finish(run)

    monkeypatch.setattr(Run, "finish", look)
    settings = CONFIG.load(Path(with_data[1]), {"patience": 1})
    CONFIG.write(settings, Path(with_data[1]))
    learning_curve.main([*with_data, "--shares", "0.3", "1"])
    assert asked == [(0, 18, "last")] * 2


def test_it_goes_on_where_it_was_stopped(
    with_data: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Run.finish
    done = list[Path]()

    def cut(run: Run) -> None:
        if len(done) == 1:
            raise KeyboardInterrupt
        finish(run)
        done.append(run.folder)

    monkeypatch.setattr(Run, "finish", cut)
    with pytest.raises(SystemExit) as stopped:
        learning_curve.main([*with_data, "--shares", "0.5", "1"])
    assert stopped.value.code == 130
    first = (done[0] / "last.ckpt").stat().st_mtime_ns
    monkeypatch.setattr(Run, "finish", finish)
    learning_curve.main([*with_data, "--shares", "0.5", "1"])
    assert (done[0] / "last.ckpt").stat().st_mtime_ns == first
    assert [row["share"] for row in table(with_data)] == ["0.5", "1.0"]


def test_one_share_is_no_curve(command: list[str]) -> None:
    with pytest.raises(
        SystemExit, match=r"\Agot --shares 0.5 0.5 --seeds 1; wanted two or more different shares"
    ):
        learning_curve.main([*command, "--shares", "0.5", "0.5"])


def test_a_share_above_1_is_refused(command: list[str]) -> None:
    with pytest.raises(
        SystemExit, match=r"\Agot --shares 0.5 2 --seeds 1; wanted .* above 0 and up to 1"
    ):
        learning_curve.main([*command, "--shares", "0.5", "2"])


def test_phantoms_have_no_curve(command: list[str]) -> None:
    with pytest.raises(SystemExit, match=r"\Aphantoms: any number can be made"):
        learning_curve.main([*command, "--phantoms", "ct"])


def test_weights_that_learned_from_the_training_images_are_refused(
    with_data: list[str], tmp_path: Path
) -> None:

    known = [sample.sha256 for sample in load(tmp_path / "processed").of("train")][:3]
    checkpoint.save(contents(training_images_sha256=known), tmp_path / "ViT.ckpt")
    with pytest.raises(
        SystemExit, match=r"learned from 3 of the training images, so that small shares would know"
    ):
        learning_curve.main([*with_data, "--init", f"{tmp_path}/ViT.ckpt"])


def points(*spreads: float, group: str = "g{}") -> Curve:
    """Two trainings, judged on 80 images; the larger the spread, the worse."""
    rng = np.random.default_rng(0)
    truths = np.arange(80) % 2
    curve = []
    for number, spread in enumerate(spreads):
        score = 1 / (1 + np.exp(-(truths * 2 - 1 + spread * rng.normal(size=80))))
        validation = Validation(
            NAMES,
            [f"{i}" for i in range(80)],
            [NAMES[k] for k in truths],
            [group.format(i) for i in range(80)],
            np.stack([1 - score, score], axis=1),
        )
        curve.append([Point(0.5, 0, 100 * (number + 1), 50, 2, 1, Path(), validation)])
    return curve


@pytest.mark.parametrize(
    ("spreads", "words"),
    [
        ((9, 1), "still rising"),
        ((1, 9), "falling"),
        ((1, 1), r"not shown to rise, though a gain of up to 0\.\d+ cannot"),
    ],
)
def test_the_sentence_follows_the_paired_comparison(
    spreads: tuple[float, float], words: str
) -> None:
    said = verdict(points(*spreads))
    assert said.startswith("From 100 to 200 images the AUROC changed by ")
    assert re.search(words, said)


@pytest.mark.parametrize(
    ("group", "unknown"), [("g", True), ("", False)], ids=["one group", "no groups"]
)
def test_the_sentence_rests_on_groups_and_on_images_where_there_are_none(
    group: str, unknown: bool
) -> None:
    said = verdict(points(1, 2, group=group))
    assert ("unknown, for validation has fewer than two groups" in said) == unknown


def test_a_curve_without_intervals_is_drawn_too(tmp_path: Path) -> None:
    curve = points(1, 2, group="g")
    assert np.isnan(curve[0][0].auroc.low)
    draw(curve, verdict(curve), tmp_path / "curve.png")
    assert matplotlib.image.imread(tmp_path / "curve.png").std() > 0.05
