"""python -m report.evaluate: what it prints, and what it refuses."""

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from metrics.intervals import evaluate
from report.evaluate import main
from tests.test_evaluate import made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """predictions.csv, other.csv and manifest.csv of 40 images in groups, lesions of two kinds."""
    y, s = made(40)
    names = np.array(["normal", "sick"])
    columns = ["path", "truth", "probability_normal", "probability_sick", "predicted"]
    for file, scores in (("predictions.csv", s), ("other.csv", 1 - s)):
        rows = [
            [
                f"/x/Folder/val/{names[k]}/{i}.npy",
                names[k],
                f"{1 - p:.6f}",
                f"{p:.6f}",
                names[int(p >= 0.3)],
            ]
            for i, (k, p) in enumerate(zip(y, scores, strict=True))
        ]
        write(tmp_path / file, [columns, *rows])
    listed = [
        [
            f"val/{names[k]}/{i}.npy",
            names[k],
            f"g{i // 6}",
            ("soft;hard" if i % 2 else "hard") if k else "",
        ]
        for i, k in enumerate(y)
    ]
    write(tmp_path / "manifest.csv", [["path", "label", "group", "lesion_type"], *listed])
    return tmp_path


def write(path: Path, rows: list[list[str]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def test_the_command_prints_every_estimate_with_the_groups_of_the_manifest(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(
        [
            "--predictions",
            f"{folder}/predictions.csv",
            "--manifest",
            f"{folder}/manifest.csv",
            "--prevalence",
            "0.1",
        ]
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "40 of 40 images, 14 sick; 7 groups of the manifest; positive from 0.3"
    )
    y, s = made(40)
    estimates = evaluate(y, s.round(6), np.arange(40) // 6, 0.3, 0.1)
    assert [line[20:] for line in lines[1 : 1 + len(estimates)]] == [
        str(estimate) for estimate in estimates.values()
    ]


def test_groups_that_differ_in_case_or_as_numbers_are_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = folder / "manifest.csv"
    lines = table.read_text().splitlines()
    lines[1] = lines[1].replace(",g0,", ",G00 ,")
    table.write_text("\n".join(lines))
    main(["--predictions", f"{folder}/predictions.csv", "--manifest", str(table)])
    assert "; 7 groups of the manifest; " in capsys.readouterr().out


def test_without_a_manifest_the_command_says_that_each_image_is_its_own_group(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--predictions", f"{folder}/predictions.csv"])
    assert "each image its own group" in capsys.readouterr().out


def test_the_command_splits_positives_by_a_column_against_all_negatives(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--predictions",
        f"{folder}/predictions.csv",
        "--manifest",
        f"{folder}/manifest.csv",
    ]
    main([*arguments, "--column", "lesion_type"])
    y, s = made(40)
    soft = (y == 0) | (np.arange(40) % 2 == 1)
    area = metrics.roc_auc_score(y[soft], s[soft])
    assert f"soft: 7 sick against 26, AUROC {area:.3f}" in capsys.readouterr().out


def test_the_command_compares_two_models(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--predictions", f"{folder}/predictions.csv", "--versus", f"{folder}/other.csv"])
    area = metrics.roc_auc_score(*made(40))
    assert (
        f"other.csv minus that of {folder}/predictions.csv: {1 - 2 * area:.3f} ("
        in capsys.readouterr().out
    )


def test_predictions_of_three_classes_without_an_order_are_refused(folder: Path) -> None:
    columns = ["path", "truth", "probability_a", "probability_b", "probability_c", "predicted"]
    write(folder / "three.csv", [columns, ["x", "a", "0.2", "0.3", "0.5", "c"]])
    with pytest.raises(
        SystemExit,
        match="got a, whose place in the order is not known; give the order: --order LOWEST",
    ):
        main(["--predictions", f"{folder}/three.csv"])


def test_a_manifest_of_other_images_is_refused(folder: Path) -> None:
    write(folder / "else.csv", [["path", "group"], ["val/normal/else.npy", "g"]])
    with pytest.raises(SystemExit, match="no image of known truth that --manifest lists"):
        main(["--predictions", f"{folder}/predictions.csv", "--manifest", f"{folder}/else.csv"])


def test_an_unknown_column_is_refused_with_those_there_are(folder: Path) -> None:
    with pytest.raises(
        SystemExit,
        match="--column: got vessel, wanted a column of --manifest: path, label, group, les",
    ):
        main(
            [
                "--predictions",
                f"{folder}/predictions.csv",
                "--manifest",
                f"{folder}/manifest.csv",
                "--column",
                "vessel",
            ]
        )


def test_predictions_of_other_images_are_not_compared(folder: Path) -> None:
    text = (folder / "other.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "other.csv").write_text("".join(text[:-1]), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"other\.csv: no row for 1 of 40 images of"):
        main(["--predictions", f"{folder}/predictions.csv", "--versus", f"{folder}/other.csv"])


def test_the_command_has_figures_of_patients_with_their_rule(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = list(csv.reader((folder / "manifest.csv").open(encoding="utf-8")))
    patients = ["patient", *(f"p{i // 2}" for i in range(40))]
    write(
        folder / "manifest.csv",
        [[*row, patient] for row, patient in zip(rows, patients, strict=True)],
    )
    main(["--predictions", f"{folder}/predictions.csv", "--manifest", f"{folder}/manifest.csv"])
    rule, area, *rates = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert rule.startswith("20 patients, ")
    assert "the highest probability of its images" in rule
    assert [line.split()[0] for line in (area, *rates)] == ["auroc", "sensitivity", "specificity"]


@pytest.mark.parametrize("prevalence", ["2", "-0.1"])
def test_a_prevalence_that_is_no_share_is_one_line(folder: Path, prevalence: str) -> None:
    with pytest.raises(SystemExit, match=r"\Aprevalence: got .*, wanted a share from 0 to 1\Z"):
        main(["--predictions", f"{folder}/predictions.csv", f"--prevalence={prevalence}"])


def changed(folder: Path, column: str, value: str, name: str = "predictions.csv") -> None:
    """Give the fourth row another value in a column."""
    rows = list(csv.reader((folder / name).open(encoding="utf-8", newline="")))
    rows[4][rows[0].index(column)] = value
    write(folder / name, rows)


@pytest.mark.parametrize("word", ["Sick", "sick ", "sickk", "SICK", "1", "healthy", " "])
@pytest.mark.parametrize("column", ["truth", "predicted"])
def test_a_class_that_predictions_do_not_know_is_refused_with_its_row(
    folder: Path, column: str, word: str
) -> None:
    changed(folder, column, word)
    said = rf"row 4, /x/\S+/3\.npy: {column}: got '{word}', wanted 'normal' or 'sick'\n"
    with pytest.raises(SystemExit, match=said):
        main(["--predictions", f"{folder}/predictions.csv"])


def test_an_image_without_truth_is_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(folder, "truth", "")
    main(["--predictions", f"{folder}/predictions.csv"])
    assert capsys.readouterr().out.startswith("39 of 40 images, 13 sick;")


@pytest.mark.parametrize("cell", ["", "nan", "1.2", "-0.1", "inf", "1,234,567", "high"])
def test_a_probability_that_is_none_is_refused_with_its_row(folder: Path, cell: str) -> None:
    changed(folder, "probability_sick", cell)
    said = rf"row 4, \S+: probability_sick: got '{cell}', wanted a number from 0 to 1\n"
    with pytest.raises(SystemExit, match=said):
        main(["--predictions", f"{folder}/predictions.csv"])


def test_probabilities_that_are_no_shares_of_one_are_refused(folder: Path) -> None:
    changed(folder, "probability_sick", "1.0")
    changed(folder, "probability_normal", "0.5")
    with pytest.raises(SystemExit, match=r"row 4, \S+: the probabilities: got a sum of 1\.500"):
        main(["--predictions", f"{folder}/predictions.csv"])


@pytest.mark.parametrize("option", ["--predictions", "--versus"])
def test_two_rows_of_an_image_are_refused(folder: Path, option: str) -> None:
    name = "predictions.csv" if option == "--predictions" else "other.csv"
    changed(folder, "path", "/x/Folder/val/sick/0.npy", name)
    words = ["--predictions", f"{folder}/predictions.csv", option, f"{folder}/{name}"]
    with pytest.raises(SystemExit, match=r"/sick/0\.npy: got 2 rows, wanted one of each image"):
        main(words)


@pytest.mark.parametrize(
    "other", ["/x/Folder/val/./sick/0.npy", "/x/Folder/val/normal/../sick/0.npy"]
)
def test_two_rows_of_an_image_are_refused_however_its_path_is_written(
    folder: Path, other: str
) -> None:
    changed(folder, "path", "/x/Folder/val/sick/0.npy", "predictions.csv")
    table = folder / "predictions.csv"
    table.write_text(table.read_text().replace("/x/Folder/val/sick/0.npy", other, 1))
    with pytest.raises(SystemExit, match=r"/sick/0\.npy: got 2 rows, wanted one of each image"):
        main(["--predictions", str(table)])


def test_a_manifest_that_lists_an_image_twice_is_refused(folder: Path) -> None:
    changed(folder, "path", "val/sick/0.npy", "manifest.csv")
    words = ["--predictions", f"{folder}/predictions.csv", "--manifest", f"{folder}/manifest.csv"]
    with pytest.raises(SystemExit, match=r"val/sick/0\.npy: got 2 rows"):
        main(words)


def test_predictions_of_other_classes_or_another_truth_are_not_compared(folder: Path) -> None:
    text = (folder / "other.csv").read_text(encoding="utf-8")
    (folder / "healthy.csv").write_text(text.replace("normal", "healthy"), encoding="utf-8")
    words = ["--predictions", f"{folder}/predictions.csv", "--versus"]
    with pytest.raises(SystemExit, match=r"got the classes healthy and sick, wanted normal and s"):
        main([*words, f"{folder}/healthy.csv"])
    rows = list(csv.reader((folder / "other.csv").open(encoding="utf-8", newline="")))
    rows[4][1] = "normal" if rows[4][1] == "sick" else "sick"
    write(folder / "other.csv", rows)
    with pytest.raises(SystemExit, match=r"got another truth than \S+ for 1 images, as /x/"):
        main([*words, f"{folder}/other.csv"])


def test_a_threshold_that_is_no_probability_is_one_line(folder: Path) -> None:
    for value in ("nan", "1.5", "-1"):
        with pytest.raises(SystemExit, match=r"\A--threshold: got .*, wanted a probability"):
            main(["--predictions", f"{folder}/predictions.csv", f"--threshold={value}"])


def test_another_label_in_the_manifest_than_the_truth_is_refused(folder: Path) -> None:
    manifest = folder / "manifest.csv"
    lines = manifest.read_text(encoding="utf-8").splitlines()
    number = next(number for number, line in enumerate(lines) if ",sick," in line)
    lines[number] = lines[number].replace(",sick,", ",normal,")
    manifest.write_text("\n".join(lines), encoding="utf-8")
    path = lines[number].split(",")[0]
    said = rf"for 1 images, as 'normal', not 'sick', for /x/Folder/{path}; mend the label"
    with pytest.raises(SystemExit, match=said):
        main(["--predictions", f"{folder}/predictions.csv", "--manifest", str(manifest)])


def test_a_label_column_of_another_spelling_is_read_too(folder: Path) -> None:
    manifest = folder / "manifest.csv"
    text = manifest.read_text(encoding="utf-8").replace(",sick,", ",normal,")
    manifest.write_text(text.replace(",label,", ",Label,"), encoding="utf-8")
    with pytest.raises(SystemExit, match="got another label than the truth"):
        main(["--predictions", f"{folder}/predictions.csv", "--manifest", str(manifest)])
