"""python -m report.evaluate on tables that were edited, joined, or kept by spreadsheets."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.prediction_tables import Rows, manifest, predictions, write

# the threshold


def test_a_changed_prediction_does_not_move_the_threshold(said: Callable[..., str]) -> None:
    rows = predictions()
    rows[4]["predicted"] = "abnormal"
    with pytest.raises(SystemExit) as end:
        said(rows)
    assert re.fullmatch(
        r"\S+p\.csv: no threshold gives the column predicted: with 0\.5, which comes closest, "
        r"1 of 8 would differ, as val/normal/i4\.npy: got 'abnormal' with probability_abnormal "
        r"0\.050000; mend such rows, write the table again with predict\.py, or give --threshold",
        str(end.value),
    )


def test_tables_of_two_thresholds_joined_into_one_are_refused(said: Callable[..., str]) -> None:
    rows = predictions("one", 0.3) + predictions("two", 0.7)
    with pytest.raises(SystemExit, match=r"no threshold gives .* of 16 would differ, as \w+/"):
        said(rows)


def test_a_threshold_that_is_given_stands_whatever_was_predicted(said: Callable[..., str]) -> None:
    rows = predictions()
    rows[4]["predicted"] = "abnormal"
    assert "positive from 0.4 on" in said(rows, None, "--threshold", "0.4")


def test_rows_without_truth_tell_the_threshold_too(said: Callable[..., str]) -> None:
    rows = predictions(threshold=0.3)
    rows[2]["truth"] = ""
    assert "positive from 0.36 on" in said(rows)


def test_images_that_rounding_put_on_the_threshold_are_counted_and_said(
    said: Callable[..., str],
) -> None:
    rows = predictions()
    for i in (2, 3):
        rows[i] |= {"probability_normal": "0.500000", "probability_abnormal": "0.500000"}
    assert (
        "the threshold 0.5 is the probability of images that were predicted normal and count as "
        "abnormal here: 1, such as val/normal/i2.npy" in said(rows)
    )


# the positive class


def test_the_word_for_disease_makes_a_class_the_positive_one(said: Callable[..., str]) -> None:
    order = ["path", "truth", "probability_abnormal", "probability_normal", "predicted"]
    swapped = [{name: row[name] for name in order} for row in predictions()]
    text = said(swapped)
    assert text.startswith("8 of 8 images, 4 abnormal;")
    assert (
        "note: abnormal is taken as the positive class for the names, though normal comes last"
        in text
    )


def renamed(normal: str, abnormal: str) -> Rows:
    """Predictions of other class names."""
    words = {"normal": normal, "abnormal": abnormal}
    return [
        {
            column.replace("probability_abnormal", f"probability_{abnormal}").replace(
                "probability_normal", f"probability_{normal}"
            ): words.get(cell, cell)
            for column, cell in row.items()
        }
        for row in predictions()
    ]


def test_the_class_that_is_not_normal_is_the_positive_one(said: Callable[..., str]) -> None:
    assert said(renamed("grade2", "healthy")).startswith("8 of 8 images, 4 grade2;")


@pytest.mark.parametrize(("first", "last"), [("LAD", "RCA"), ("lesion", "stenosis")])
def test_names_that_do_not_differ_in_meaning_leave_the_last_column(
    said: Callable[..., str], first: str, last: str
) -> None:
    assert said(renamed(first, last)).startswith(f"8 of 8 images, 4 {last};")


# what is left out


def test_images_without_truth_are_counted_with_an_example(said: Callable[..., str]) -> None:
    rows = predictions()
    rows[2]["truth"] = rows[6]["truth"] = rows[7]["truth"] = ""
    text = said(rows)
    assert text.startswith("5 of 8 images, 3 abnormal;")
    assert "; 3 without truth, such as val/normal/i2.npy\n" in text


def test_a_value_without_positives_is_printed_with_its_counts(said: Callable[..., str]) -> None:
    listed = manifest(sex=["f", "m", "f", "m", "", "m; x", "m", ""])
    text = said(predictions(), listed, "--column", "sex")
    assert "f: 0 abnormal against 2, no figures\n" in text
    assert "x: 1 abnormal against 4, AUROC" in text
    assert "no value in sex: 2 images, 1 abnormal\n" in text


def test_images_that_were_in_training_are_said(said: Callable[..., str]) -> None:
    rows = [row | {"in_training": ("yes", "no")[i % 2]} for i, row in enumerate(predictions())]
    text = said(rows)
    assert "4 of 8 images were in training: their predictions look too good" in text


# tables as spreadsheets save them


def test_decimal_commas_are_read(said: Callable[..., str], tmp_path: Path) -> None:
    rows = [
        {
            name: cell.replace(".", ",") if name.startswith("probability_") else cell
            for name, cell in row.items()
        }
        for row in predictions()
    ]
    german = write(tmp_path / "german.csv", rows, ";")
    plain = said(predictions())
    assert said(predictions(), None, "--predictions", str(german)) == plain


@pytest.mark.parametrize("top", ["\n", "\r\n \r\n", ",,\n", ";;\n\n"])
def test_empty_lines_at_the_top_of_a_table_are_skipped(
    said: Callable[..., str], tmp_path: Path, top: str
) -> None:
    listed = write(tmp_path / "l.csv", manifest())
    listed.write_bytes(top.encode() + listed.read_bytes())
    assert "4 groups" in said(predictions(), None, "--manifest", str(listed))


def test_a_fault_below_empty_lines_is_named_by_its_line(
    said: Callable[..., str], tmp_path: Path
) -> None:
    listed = write(tmp_path / "l.csv", manifest())
    listed.write_text("\n\n" + listed.read_text() + "a,b,c,d\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"l\.csv, line 12: got 4 cells under 3 names"):
        said(predictions(), None, "--manifest", str(listed))


# another model


def test_a_comparison_finds_the_same_images_by_another_name(
    said: Callable[..., str], tmp_path: Path
) -> None:
    others = predictions(f"{tmp_path}/PF/val", 0.3)
    other = write(tmp_path / "other.csv", others)
    assert "minus that of" in said(predictions("PF/val"), None, "--versus", str(other))


def test_a_comparison_names_an_image_that_the_other_table_lacks(
    said: Callable[..., str], tmp_path: Path
) -> None:
    other = write(tmp_path / "other.csv", predictions()[:-2])
    with pytest.raises(
        SystemExit,
        match=r"other\.csv: no row for 2 of 8 images of \S+p\.csv, such as val/normal/i6\.npy; "
        r"its first is val/normal/i0\.npy; wanted the same images, predicted from the same folder",
    ):
        said(predictions(), None, "--versus", str(other))
