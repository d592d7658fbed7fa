"""From images to vessels and patients, and estimates of subgroups."""

from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from data.processed import COLUMNS
from metrics.intervals import evaluate, groups_in
from metrics.levels import Level, levels, subgroup_columns, subgroups
from report.matching import with_manifest


def row(path: str, sick: int, probability: float, **more: str) -> dict[str, str]:
    truth = ("normal", "sick")[sick]
    said = {
        "probability_normal": f"{1 - probability}",
        "probability_sick": f"{probability}",
        "predicted": "normal",
    }
    return {"path": path, "truth": truth, **said, **more}


def made(count: int, **columns: list[str]) -> list[dict[str, str]]:
    """Every third image is sick, with a higher probability on average."""
    rng = np.random.default_rng(1)
    each = [
        {name: values[i % len(values)] for name, values in columns.items()} for i in range(count)
    ]
    chances = [
        float(rng.uniform(0.3, 1) if i % 3 == 0 else rng.uniform(0, 0.7)) for i in range(count)
    ]
    return [row(f"{i}", int(i % 3 == 0), chances[i], **each[i]) for i in range(count)]


def by_name(level: Level) -> dict[str, tuple[bool, float]]:
    return {
        name: (bool(y), float(s))
        for name, y, s in zip(level.names, level.labels, level.scores, strict=True)
    }


# two patients: A with two vessels of two views each, B with one vessel
VESSELS = [
    row("a1", 0, 0.1, group="g1", patient="A", vessel="LAD"),
    row("a2", 0, 0.3, group="g1", patient="A", vessel="LAD"),
    row("a3", 1, 0.9, group="g1", patient="A", vessel="RCA"),
    row("a4", 1, 0.5, group="g1", patient="A", vessel="RCA"),
    row("b1", 0, 0.4, group="g2", patient="B", vessel="LAD"),
    row("b2", 0, 0.2, group="g2", patient="B", vessel="LAD"),
]


def test_a_vessel_is_the_mean_of_its_views_and_a_patient_the_highest_of_its_vessels() -> None:
    image, vessel, patient = levels(VESSELS, "sick")
    assert [level.name for level in (image, vessel, patient)] == ["image", "vessel", "patient"]
    assert by_name(vessel) == {
        "A LAD": (False, pytest.approx(0.2)),
        "A RCA": (True, pytest.approx(0.7)),
        "B LAD": (False, pytest.approx(0.3)),
    }
    assert by_name(patient) == {"A": (True, pytest.approx(0.7)), "B": (False, pytest.approx(0.3))}
    assert "mean" in vessel.rule
    assert "highest probability of its vessels" in patient.rule
    assert "the threshold was fitted to images, not to this" in patient.rule


def test_patients_without_vessels_whose_images_agree_are_the_mean_of_views() -> None:
    rows = [
        {name: value for name, value in one.items() if name != "vessel"}
        for one in (*VESSELS[:2], *VESSELS[4:])
    ]
    rows += [row("c1", 1, 0.8, patient="C"), row("c2", 1, 0.4, patient="C")]
    _, patient = levels(rows, "sick")
    assert (patient.name, patient.count) == ("patient", 3)
    assert "views of one vessel" in patient.rule
    assert by_name(patient)["C"] == (True, pytest.approx(0.6))


def test_patients_whose_images_differ_in_truth_are_the_highest_of_their_images() -> None:
    rows = [
        row("a", 0, 0.1, patient="A"),
        row("b", 1, 0.7, patient="A"),
        row("c", 0, 0.2, patient="B"),
    ]
    _, patient = levels(rows, "sick")
    assert by_name(patient) == {"A": (True, 0.7), "B": (False, 0.2)}
    assert "in 1 of 1 positive patients with several images only some are positive" in patient.rule


def test_without_patients_the_groups_are_a_level() -> None:
    _, group = levels(
        [row("a", 1, 0.2, group="g1"), row("b", 1, 0.4, group="g1"), row("c", 0, 0.1)], "sick"
    )
    assert group.name == "group"
    assert by_name(group) == {"c": (False, 0.1), "g1": (True, pytest.approx(0.3))}


def test_the_groups_of_one_patient_are_one_of_the_first_name() -> None:
    rows = [
        row("a", 1, 0.2, group="v1", patient="A"),
        row("b", 0, 0.4, group="v2", patient="a "),
        row("c", 0, 0.1, group="v3", patient="B"),
        row("d", 0, 0.1, group="v3"),
        row("e", 0, 0.1),
    ]
    assert groups_in(rows) == ["v1", "v1", "v3", "v3", "e"]


def test_a_level_that_no_two_images_share_is_left_out() -> None:
    assert [level.name for level in levels(made(6, patient=list("abcdef")), "sick")] == ["image"]


def test_one_vessel_name_in_two_patients_is_two_vessels() -> None:
    assert levels(VESSELS, "sick")[1].names == ["A LAD", "A RCA", "B LAD"]


def test_images_without_patient_or_vessel_stand_for_themselves() -> None:
    rows = [
        *VESSELS,
        row("x", 1, 0.6, patient="", vessel=""),
        row("y", 0, 0.6, patient="B", vessel=""),
    ]
    _, vessel, patient = levels(rows, "sick")
    assert {"x", "y"} < set(vessel.names)
    assert by_name(patient)["x"] == (True, 0.6)
    assert by_name(patient)["B"] == (False, 0.6)


def test_images_of_unknown_truth_are_left_out() -> None:
    assert levels([*VESSELS, {**VESSELS[0], "path": "z", "truth": ""}], "sick")[0].count == 6


def test_groups_of_one_patient_are_drawn_together() -> None:
    """The manifest may tie by vessel; images of one patient are no independent draws even so."""
    rows = made(12, group=[f"g{i}" for i in range(12)], patient=list("aabbccddeeff"))
    image, patient = levels(rows, "sick")
    assert image.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert len(set(patient.groups)) == 6
    own = evaluate(patient.labels, patient.scores, patient.groups, 0.5)
    assert patient.estimates(0.5) == pytest.approx(own, nan_ok=True)


def test_a_level_of_one_class_has_no_estimates() -> None:
    assert levels(VESSELS[:4], "sick")[2].estimates(0.5) == {}


def test_of_three_classes_one_is_followed_against_the_others() -> None:
    said = {"probability_normal": "0.2", "probability_soft": "0.7", "probability_hard": "0.1"}
    rows = [
        {"path": f"{i}", "truth": truth, **said}
        for i, truth in enumerate(("normal", "soft", "hard"))
    ]
    (image,) = levels(rows, "soft")
    assert image.labels.tolist() == [False, True, False]
    assert image.scores.tolist() == [0.7] * 3


def test_columns_for_subgroups_have_few_values_and_name_no_patient() -> None:
    rows = made(
        40,
        group=[f"g{i}" for i in range(40)],
        patient=[f"p{i}" for i in range(12)],
        view=["0", "1"],
        scanner=["A", "B", ""],
        site=["only"],
        grade=[f"{i / 40}" for i in range(40)],
        lesion_type=["soft;hard", "hard", ""],
    )
    assert subgroup_columns(rows, COLUMNS) == ["scanner", "lesion_type"]


def test_a_column_with_a_value_for_each_group_is_an_identifier() -> None:
    assert subgroup_columns(made(6, hospital_number=list("abcdef")), COLUMNS) == []


def test_subgroups_are_compared_with_the_negatives_of_their_own() -> None:
    rows = made(60, scanner=["A", "A", "A", "B", "B", "B"])
    one, two = subgroups(rows, "sick", "scanner", 0.5)
    assert (one.value, one.positives, one.negatives) == ("A", 10, 20)
    own = [r for r in rows if r["scanner"] == "B"]
    y = [r["truth"] == "sick" for r in own]
    s = [float(r["probability_sick"]) for r in own]
    assert two.auroc.value == pytest.approx(metrics.roc_auc_score(y, s))
    assert two.specificity is not None
    assert two.specificity.value == pytest.approx(
        np.mean([p < 0.5 for p, k in zip(s, y, strict=True) if not k])
    )


def test_a_subgroup_of_lesions_is_compared_with_all_negatives_and_has_no_specificity() -> None:
    rows = made(60, lesion_type=["soft;hard", "", "", "hard", "", ""])
    hard, soft = subgroups(rows, "sick", "lesion_type", 0.5)
    assert (hard.value, hard.positives, hard.negatives, hard.specificity) == ("hard", 20, 40, None)
    assert (soft.value, soft.positives, soft.negatives) == ("soft", 10, 40)


def test_rows_take_the_columns_of_the_manifest_by_the_end_of_their_path(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,group\nval/sick/a.npy,g7\n", encoding="utf-8")
    rows = [row("/x/Folder/val/sick/a.npy", 1, 0.5), row("/x/Folder/val/sick/b.npy", 1, 0.5)]
    (found,) = with_manifest(rows, ["normal", "sick"], tmp_path / "manifest.csv")
    assert (found["path"], found["group"]) == ("/x/Folder/val/sick/a.npy", "g7")


def test_patients_of_one_group_are_drawn_together() -> None:
    """As two patients of whom near-identical images are there."""
    rows = made(
        12,
        group=["g", "g", "g", "g", "h", "h", "i", "i", "j", "j", "k", "k"],
        patient=list("aabbccddeeff"),
    )
    image, patient = levels(rows, "sick")
    assert image.groups.tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert patient.groups.tolist() == [0, 0, 1, 2, 3, 4]


def test_subgroups_are_judged_at_the_threshold_and_drawn_over_groups() -> None:
    rows = made(60, scanner=["A", "A", "A", "B", "B", "B"], group=[f"g{i // 3}" for i in range(60)])
    one, _ = subgroups(rows, "sick", "scanner", 0.7)
    own = [r for r in rows if r["scanner"] == "A"]
    y = [r["truth"] == "sick" for r in own]
    s = [float(r["probability_sick"]) for r in own]
    wanted = evaluate(y, s, [r["group"] for r in own], 0.7)
    assert (one.auroc, one.sensitivity, one.specificity) == (
        wanted["auroc"],
        wanted["sensitivity"],
        wanted["specificity"],
    )


def test_where_half_of_the_patients_differ_within_themselves_the_mean_stays() -> None:
    rows = [
        row("a", 0, 0.1, patient="A"),
        row("b", 1, 0.7, patient="A"),
        row("c", 0, 0.2, patient="B"),
    ]
    _, patient = levels(
        [*rows, row("d", 1, 0.2, patient="C"), row("e", 1, 0.4, patient="C")], "sick"
    )
    assert by_name(patient)["A"] == (True, pytest.approx(0.4))


@pytest.mark.parametrize("names", [("G0", "g0"), ("10", "10.0"), ("7", "007"), ("a b", "A  b ")])
def test_a_group_patient_or_vessel_that_was_typed_otherwise_is_the_same(
    names: tuple[str, str],
) -> None:
    for column in ("group", "patient"):
        rows = made(6, **{column: [*names, "other"]})
        assert levels(rows, "sick")[-1].count == 2
    vessels = [row(f"{i}", 1, 0.5, patient="P1", vessel=name) for i, name in enumerate(names)]
    assert levels(vessels, "sick")[-1].count == 1
