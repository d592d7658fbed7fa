"""The order of grades: how it is told, kept and refused, from raw images to training."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import CONFIG
from data import processed
from data.dataset_info import read_info
from data.grades import as_given, is_free_of_disease, order_of
from data.prepare import main, prepare
from data.readers import DataError
from data.truths import classes_of
from tests.conftest import CONFIGURATION
from tests.graded import GRADES, graded
from training.data_checks import check_images


@pytest.mark.parametrize(
    "grades",
    [
        ["0", "1-49", "50-69", "70-99", "100"],
        ["0 %", "1\u201349 %", "50 to 69 %", "70_99 %", "100 %"],
        ["CAD-RADS 0", "CAD_RADS_1", "cad rads 3", "CAD-RADS 4A", "CAD-RADS 4B", "CAD-RADS 5"],
        ["none", "minimal", "mild", "moderate", "severe", "occluded"],
        ["no stenosis", "mild stenosis", "severe_stenosis"],
        ["normal", "<50", "50-69", ">=70"],
        ["normal", "1-49", "50-99", "occlusion"],
        ["grade I", "grade II", "grade IV"],
        ["2_mild", "10_moderate", "11_severe"],
        ["1. none", "2. mild", "3. severe"],
        ["mild (<50 %)", "moderate (50-69 %)", "severe (\u226570 %)"],
        ["0-50", "50-70", "70-100"],
    ],
)
def test_numbers_go_by_value_and_words_by_meaning(grades: list[str]) -> None:
    assert order_of(sorted(grades, key=lambda name: name[::-1])) == grades


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["calcified", "soft", "stent"], "got calcified, whose place in the order is not known"),
        (["normal", "abnormal", "severe"], "got abnormal, whose place"),
        (["type 1", "type 2", "type 3"], "got type 1, whose place"),
        (["1 (1-24)", "2 (25-49)", "3 (50-69)"], r"got 1 \(1-24\), whose place"),
        (["v0", "v1", "v2"], "got v0, whose place"),
        (["<50-", "50 < 70 >", "80"], "got 50 < 70 >, whose place"),
        (["0", "1-49", "mild"], "got mild among numbers"),
        (["0", "40-60", "50-70"], "40-60 and 50-70 are not apart"),
        (["0", "normal", "50"], "normal and 0 are not apart"),
        (["1", "1.0", "2"], "1 and 1.0 are not apart|1.0 and 1 are not apart"),
        (["none", "high", "severe"], "high and severe are not apart|severe and high are not apart"),
        (["2_none", "1_mild", "0_severe"], "contradict their words"),
        (["0", "1_severe", "2", "3_mild"], "numbers of 1_severe and 3_mild contradict their words"),
        (["1", "2", "3 normal"], "by its number 3 normal is not the lowest"),
        (["1 occluded", "2", "3"], "by its number 1 occluded is not the highest"),
        (["-1", "0", "2"], "got -1, whose place"),
        (["grade -1", "grade 2", "grade 3"], "got grade -1, whose place"),
        (["0", ".5", ".25"], "got .25, whose place"),
        (["1-99", "100-399", "1,000"], "got 1,000, whose place"),
        (["1-99", "100-399", "1 000"], "got 1 000, whose place"),
        (["1/2", "3/10", "4"], "got 1/2, whose place"),
        (["1-0", "3-2", "5-4"], "got 1-0, whose place"),
        (["50 <", "1", "70"], "got 50 <, whose place"),
        (["1?", "2", "3"], r"got 1\?, whose place"),
        (["mild", "moderate", "less severe"], "got less severe, whose place"),
        (["50-70+", "1", "2"], r"got 50-70\+, whose place"),
        (["\u00b9", "\u00b2", "\u00b3"], "got \u00b2, whose place|got \u00b9, whose place"),
        (["normal", "severe"], "got 2 classes .normal, severe., wanted 3 grades or more"),
    ],
)
def test_grades_that_are_no_order_are_refused(classes: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said) as refused:
        order_of(classes)
    assert "\n" not in str(refused.value)


def test_the_user_may_give_any_order_and_spelling() -> None:
    names = ["soft", "Calcified", "stent"]
    assert as_given(names, ["calcified", "stent", "SOFT"]) == ["Calcified", "stent", "soft"]


@pytest.mark.parametrize(
    "order", [["a", "b"], ["a", "b", "c", "d"], ["a", "b", "b"], ["a", "b", "x"]]
)
def test_an_order_of_other_classes_is_refused(order: list[str]) -> None:
    with pytest.raises(DataError, match=r"--order: got a, b.*; wanted each class once: a, b, c"):
        as_given(["a", "b", "c"], order)


def test_which_grade_is_free_of_disease() -> None:
    free = [
        name
        for name in ("0", "none", "normal", "0 %", "CAD-RADS 0", "1 none", "0 severe", "1")
        if is_free_of_disease(name)
    ]
    assert free == ["0", "none", "normal", "0 %", "CAD-RADS 0", "1 none"]
    assert not any(map(is_free_of_disease, ("mild", "1-49", "0-49", "<50", "CAD-RADS 1", "soft")))


def test_dataset_json_keeps_the_order(tmp_path: Path) -> None:
    config = CONFIG.Config(task="ordinal", image_size=32, patch_size=8)
    result = prepare(graded(tmp_path / "raw"), tmp_path / "processed", config)
    assert result.class_names == list(GRADES)
    info = read_info(tmp_path / "processed" / "dataset.json")
    assert (info["class_names"], info["ordered"]) == (list(GRADES), True)
    assert "the classes are grades: 0 < 1-49 < 50-100" in info["notes"]
    assert processed.load(tmp_path / "processed").ordered


def test_order_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = graded(tmp_path / "raw", ("stent", "soft", "calcified"))
    places = ["--Path", str(raw), "--OUTPUT", str(tmp_path / "out"), "--image_size", "32"]
    main([*places, "--order", "soft", "stent", "calcified"])
    assert "the classes are grades: soft < stent < calcified" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--task", "ordinal"], "got calcified, whose place in the order is not known; give the"),
        (["--order", "soft", "stent"], "--order: got soft, stent; wanted each class once"),
        (["--order", "soft", "stent", "calcified", "--positive", "soft"], "--positive: got soft"),
    ],
)
def test_preparation_refuses_what_is_no_order(
    tmp_path: Path, options: Sequence[str], said: str
) -> None:
    raw = graded(tmp_path / "raw", ("stent", "soft", "calcified"))
    with pytest.raises(SystemExit, match=said):
        main(["--Path", str(raw), "--OUTPUT", str(tmp_path / "out"), *options])
    assert not (tmp_path / "out").exists()


def test_training_refuses_classes_that_nobody_prepared_as_grades(
    tmp_path: Path, folder: Path, pictures: Callable[..., Path]
) -> None:
    config = CONFIG.Config(image_size=32, patch_size=8, num_classes=3)
    plain = prepare(graded(tmp_path / "three"), tmp_path / "plain", config)
    ordinal = CONFIG.Config(task="ordinal", num_classes=3)
    with pytest.raises(DataError, match="0, 1-49, 50-100 were not prepared as grades"):
        check_images(ordinal, plain)
    with pytest.raises(DataError, match=r"got 2 classes .abnormal, normal., wanted 3 grades"):
        check_images(ordinal, processed.load(folder))


def test_images_of_mild_disease_are_not_taken_for_free_of_lesions(tmp_path: Path) -> None:
    found = []
    for name, grades in (("free", GRADES), ("diseased", ("mild", "moderate", "severe"))):
        raw = graded(tmp_path / name, grades, boxed=grades[-1])
        result = prepare(
            raw, tmp_path / f"{name}_out", CONFIG.Config(task="ordinal", image_size=32)
        )
        lowest = next(sample for sample in result.samples if sample.label == grades[0])
        found.append(result.lesion(lowest))
    assert found[0] is not None and not found[0].any()
    assert found[1] is None


@pytest.mark.parametrize(
    ("labels", "truths"),
    [(["0", "1", "2"], ["0", "1", "2"]), (["0", "1"], ["", ""]), (["1", "7"], ["", ""])],
)
def test_0_and_1_beside_other_grades_are_grades(labels: list[str], truths: list[str]) -> None:
    meant = classes_of(labels, ["0", "1", "2", "3"])
    assert [meant[label] for label in labels] == truths


def test_an_older_configuration_has_classes() -> None:
    assert CONFIG.Config(**{**CONFIG.FORMER_VALUES}).task == CONFIGURATION.task == "classes"
