"""label_of: group: one label for all images of a patient, in training and in prediction."""

import dataclasses
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import predict
import train
import vit
from data import processed
from data.dataset import CoronaryDataset
from data.group_dataset import GroupDataset, joined
from data.input_groups import groups_in
from data.inputs import Input
from data.label_groups import label_groups
from data.prepare import prepare
from data.preprocessing import Preprocessing
from data.readers import DataError
from errors import UserError
from report import external
from report.evaluate import main as evaluate
from tests.conftest import CONFIGURATION, contents, table
from training.beginning import labels_in
from training.data_module import CoronaryData
from training.initial_weights import InitialWeights
from training.lightning_module import Classifier
from vit import checkpoint, export, group_predictions
from vit.checkpoint_gate import Plain
from vit.model import VisionTransformer
from vit.pooling import pooled, shares
from vit.torch_predictor import TorchPredictor

GROUPED = dataclasses.replace(CONFIGURATION, label_of="group", group_images=2, batch_size=4)


def of_groups(**changes: object) -> Plain:
    torch.manual_seed(0)
    model = VisionTransformer(GROUPED)
    with torch.no_grad():
        model.pooling.score.weight.normal_()  # type: ignore[union-attr]
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    return contents(config=asdict(GROUPED), state_dict=state) | changes


@pytest.fixture
def group_ckpt(tmp_path: Path) -> Path:
    checkpoint.save(of_groups(), tmp_path / "groups.ckpt")
    return tmp_path / "groups.ckpt"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """12 patients with 1 to 4 pictures; one picture of an abnormal patient holds a square."""
    rng = np.random.default_rng(5)
    folder = tmp_path / "patients"
    folder.mkdir()
    rows = ["path,label,patient"]
    for number in range(12):
        label = ("normal", "abnormal")[number % 2]
        for view in range(1 + number % 4):
            image = cv2.GaussianBlur(rng.normal(90, 60, (32, 32)), (0, 0), 1.5)
            if label == "abnormal" and view == 0:
                y, x = rng.integers(2, 24, 2)
                image[y : y + 6, x : x + 6] += 120
            name = f"{number:02d}_{view}.png"
            cv2.imwrite(str(folder / name), np.clip(image, 0, 255).astype(np.uint8))
            rows.append(f"{name},{label},P{number:02d}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture
def patients(tmp_path: Path, raw: Path) -> Path:
    prepare(raw, tmp_path / "processed", dataclasses.replace(CONFIGURATION, val_share=0.4))
    return tmp_path / "processed"


def test_the_group_is_the_mean_of_its_pictures_by_their_shares() -> None:
    answers = torch.tensor([[1.0, 3.0, 0.0], [5.0, -1.0, float(np.log(3))], [2.0, 2.5, 7.0]])
    expected = torch.tensor([[0.25 * 1 + 0.75 * 5, 0.25 * 3 - 0.75], [2.0, 2.5]])
    assert torch.allclose(pooled(answers, [2, 1]), expected, atol=1e-6)
    assert torch.allclose(shares(answers[:, 2], [2, 1]), torch.tensor([0.25, 0.75, 1.0]))


def test_pooling_equals_the_attention_of_tokens_where_the_head_is_linear() -> None:
    """Ilse et al. 2018, equation 7: the head reads the weighted mean of the tokens."""
    model = VisionTransformer(GROUPED).eval()
    torch.nn.init.normal_(model.pooling.score.weight)  # type: ignore[union-attr]
    tokens = torch.randn(5, GROUPED.embedding_size)
    answers = model.with_score(tokens)
    weights = answers[:, -1].softmax(dim=0)
    assert torch.allclose(
        pooled(answers, [5])[0], model.head((weights[:, None] * tokens).sum(dim=0)), atol=1e-6
    )


def test_a_group_of_one_image_has_the_logits_of_the_image() -> None:
    model = VisionTransformer(GROUPED).eval()
    images = torch.randn(3, 1, 32, 32)
    assert torch.allclose(pooled(model.scored(images), [1, 1, 1]), model(images), atol=1e-6)


def test_training_begins_with_the_most_diseased_pictures() -> None:
    model = VisionTransformer(GROUPED).eval()
    answers = model.scored(torch.randn(4, 1, 32, 32))
    assert torch.allclose(answers[:, 2], answers[:, 1] - answers[:, 0], atol=1e-6)


def test_a_label_is_of_a_patient_within_a_wider_group() -> None:
    rows = [{"patient": name} for name in ("P1", "p1", "P2", "nan")]
    assert label_groups(["g1", "g1", "g1", "g2"], rows, list("abcd")) == ["P1", "P1", "P2", "d"]


@pytest.mark.parametrize("names", [("0", "1"), ("000", "001"), ("0.0", "1.0")])
def test_a_patient_called_zero_beside_others_with_numbers_is_a_patient(
    names: tuple[str, str],
) -> None:
    rows = [{"patient": name} for name in (*names, names[0])]
    assert label_groups(["g1", "g2", "g1"], rows, list("abc")) == [*names, names[0]]
    inputs = [named(patient=name) for name in (*names, names[0])]
    assert groups_in(inputs) == [*names, names[0]]


def test_zeros_of_another_length_stand_for_nobody() -> None:
    rows = [{"patient": name} for name in ("00000000", "1", "00000000")]
    assert label_groups(["g1", "g2", "g1"], rows, list("abc")) == ["a", "1", "c"]


def test_an_image_without_name_beside_named_ones_stands_alone() -> None:
    rows = [{"patient": "P1"}, {"patient": ""}]
    assert label_groups(["g1", "g1"], rows, ["a", "b"]) == ["P1", "b"]


def test_a_name_in_several_groups_stands_for_nobody() -> None:
    rows = [{"patient": "everyone"}, {"patient": "everyone"}]
    assert label_groups(["g1", "g2"], rows, ["a", "b"]) == ["g1", "g2"]


def named(**row: str) -> Input:
    return Input(Path("a.png"), "a.png", row=row)


def test_one_patient_alone_is_a_group_whatever_the_others_are() -> None:
    ann = [named(patient="Ann") for _ in range(6)]
    assert groups_in(ann) == ["Ann"] * 6
    assert groups_in([*ann, named(patient="Bob")]) == [*["Ann"] * 6, "Bob"]


def test_a_vessel_makes_no_group() -> None:
    inputs = [named(patient="Ann", vessel="LAD"), named(patient="", vessel="LAD")]
    assert groups_in(inputs) == ["Ann", "a.png"]
    with pytest.raises(DataError, match="nothing tells the group"):
        groups_in([named(vessel="LAD"), named(vessel="LAD")])


def images_of(folder: Path, split: str, seed: int = 0) -> CoronaryDataset:
    return CoronaryDataset(processed.load(folder), split, Preprocessing(32, 0.4, 0.2), seed=seed)


def test_training_takes_some_images_of_a_group_and_others_in_another_epoch(patients: Path) -> None:
    images = images_of(patients, "train")
    groups = GroupDataset(images, most=2)
    number = max(range(len(groups)), key=lambda i: len(groups.members[i]))
    assert len(groups.members[number]) == 4
    chosen = [groups[epoch, number][0] for epoch in range(8)]
    assert {len(each) for each in chosen} == {2}
    assert len({float(each.sum()) for each in chosen}) > 1
    assert torch.equal(groups[3, number][0], GroupDataset(images, most=2)[3, number][0])


def test_a_batch_of_groups_keeps_their_images_apart(patients: Path) -> None:
    groups = GroupDataset(images_of(patients, "val"))
    pixels, labels, indices, _, sizes = joined([groups[0, 1], groups[0, 0]])
    assert sizes.tolist() == [len(groups.members[1]), len(groups.members[0])]
    assert len(pixels) == int(sizes.sum())
    assert indices.tolist() == [1, 0]
    assert labels.tolist() == [groups.labels[1], groups.labels[0]]


def test_labels_are_counted_by_group(patients: Path) -> None:
    samples = processed.load(patients).samples
    assert labels_in(samples, GROUPED) == 12
    assert labels_in(samples, CONFIGURATION) == len(samples) == 30


def test_groups_that_disagree_are_refused(patients: Path) -> None:
    folder = processed.load(patients)
    first = next(each for each in folder.samples if each.more["patient"] == "P03")
    other = dataclasses.replace(first, label="normal")
    samples = [other if each is first else each for each in folder.samples]
    with pytest.raises(DataError, match=r"1 of 12 groups disagree .* P03: abnormal, normal; want"):
        CoronaryData(GROUPED, dataclasses.replace(folder, samples=samples))


def test_groups_of_one_image_are_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CoronaryData(GROUPED, processed.load(folder))
    assert "each group has one image, so label_of: group changes nothing" in capsys.readouterr().err


def test_the_loss_and_its_gradient_are_of_the_group(patients: Path) -> None:
    torch.manual_seed(0)
    model = VisionTransformer(GROUPED)
    classifier = Classifier(model, GROUPED, None, {}, None)
    groups = GroupDataset(images_of(patients, "train"))
    batch = joined([groups[0, i] for i in range(4)])
    logits = pooled(model.scored(batch[0]), batch[4].tolist())
    expected = torch.nn.functional.cross_entropy(logits, batch[1])
    assert torch.allclose(classifier.training_step(batch, 0)["loss"], expected)


def test_a_step_holds_fewer_labels_than_images() -> None:
    assert GROUPED.labels_per_step == 2
    assert dataclasses.replace(GROUPED, batch_size=1).labels_per_step == 1
    assert CONFIGURATION.labels_per_step == CONFIGURATION.batch_size


def test_classes_are_weighted_by_their_groups(patients: Path) -> None:
    data = CoronaryData(GROUPED, processed.load(patients))
    counts = [data.train_units.labels.count(k) for k in (0, 1)]
    images = [data.train.labels.count(k) for k in (0, 1)]
    assert data.class_weights() == [sum(counts) / (2 * count) for count in counts]
    assert counts != images


def test_groups_without_named_patients_are_said(
    patients: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = processed.load(patients)
    CoronaryData(GROUPED, folder)
    assert "names the patients" not in capsys.readouterr().err
    samples = [dataclasses.replace(each, more={}) for each in folder.samples]
    CoronaryData(GROUPED, dataclasses.replace(folder, samples=samples))
    assert "no column of manifest.csv names the patients" in capsys.readouterr().err


def test_phantoms_have_no_groups() -> None:
    with pytest.raises(UserError, match="label_of: got group with phantoms"):
        dataclasses.replace(GROUPED, phantoms="ct")


def test_weights_of_images_begin_a_training_of_groups(ckpt: Path, group_ckpt: Path) -> None:
    model = VisionTransformer(GROUPED)
    InitialWeights(ckpt).give_to(model, GROUPED)
    own = checkpoint.load(ckpt).models[0]
    assert torch.equal(model.head[-1].weight, own.head[-1].weight)
    assert not model.pooling.score.weight.any()  # type: ignore[union-attr]
    InitialWeights(group_ckpt).give_to(model, GROUPED)
    assert model.pooling.score.weight.any()  # type: ignore[union-attr]
    plain = VisionTransformer(CONFIGURATION)
    InitialWeights(group_ckpt).give_to(plain, CONFIGURATION)


def answers_of(path: Path, raw: Path, patient: str) -> group_predictions.GroupAnswers:
    predictor = TorchPredictor(checkpoint.load(path))
    inputs = [Input(file, file.name) for file in sorted(raw.glob(f"{patient}_*.png"))]
    return group_predictions.answer(predictor, inputs, [each.name[:2] for each in inputs], False)


def test_a_group_is_predicted_from_all_its_images_in_any_order(group_ckpt: Path, raw: Path) -> None:
    model = vit.load(group_ckpt)
    files = sorted(raw.glob("03_*.png"))
    assert len(files) == 4
    first = model.predict_groups({"P03": files})[0]
    turned = model.predict_groups({"P03": files[::-1]})[0]
    assert first.name == "P03"
    assert first.probabilities == pytest.approx(turned.probabilities)
    other = model.predict_groups({"P03": files[:1]})[0]
    assert other.probabilities != pytest.approx(first.probabilities)


def test_the_picture_that_decided_has_the_most_weight(group_ckpt: Path, raw: Path) -> None:
    (whole,) = answers_of(group_ckpt, raw, "03").groups
    assert isinstance(whole, group_predictions.GroupPrediction)
    scores = [each.score for each in whole.pictures]
    assert whole.item.name == whole.pictures[int(np.argmax(scores))].name
    assert sum(whole.weights) == pytest.approx(1)
    assert whole.caption.startswith(f"03\n{Path(whole.item.name).stem}, weight 0.")


def test_a_group_has_what_all_its_images_have(group_ckpt: Path, raw: Path) -> None:
    predictor = TorchPredictor(checkpoint.load(group_ckpt))
    files = sorted(raw.glob("03_*.png"))[:2]
    inputs = [
        Input(files[0], "a", row={"patient": "P03", "vessel": "LAD"}),
        Input(files[1], "b", "abnormal", row={"patient": "P03", "vessel": "RCA"}),
    ]
    (group,) = group_predictions.answer(predictor, inputs, ["P03", "P03"], False).groups
    assert group.item.row == {"patient": "P03"}
    assert group.truth == "abnormal"


def test_predictions_of_groups_and_of_their_pictures_are_written(
    tmp_path: Path, group_ckpt: Path, patients: Path
) -> None:
    words = ["--Path", str(patients), "--Path_Checkpoint", str(group_ckpt)]
    predict.main([*words, "--OUTPUT", str(tmp_path / "out" / "p.png")])
    rows = table(tmp_path / "out" / "patients.csv")
    assert [row["group"] for row in rows] == sorted(f"P{i:02d}" for i in range(12)) or len(
        rows
    ) == 12
    assert {row["pictures"] for row in rows} == {"1", "2", "3", "4"}
    pictures = table(tmp_path / "out" / "predictions.csv")
    for row in rows:
        own = [each for each in pictures if each["group"] == row["group"]]
        assert sum(float(each["weight"]) for each in own) == pytest.approx(1)
        assert row["decided_by"] in {each["path"] for each in own}
        assert row["truth"] in ("normal", "abnormal")
    assert cv2.imread(str(tmp_path / "out" / "p.png")) is not None


def test_a_folder_gets_the_picture_that_decided_for_each_group(
    tmp_path: Path, group_ckpt: Path, raw: Path
) -> None:
    words = ["--Path", str(raw), "--Path_Checkpoint", str(group_ckpt)]
    predict.main([*words, "--OUTPUT", f"{tmp_path / 'out'}/"])
    drawn = {path.stem for path in (tmp_path / "out").glob("*.png")}
    decided = {Path(row["decided_by"]).stem for row in table(tmp_path / "out" / "patients.csv")}
    assert drawn == decided
    assert len(drawn) == 12


def test_images_of_nobody_are_refused(tmp_path: Path, group_ckpt: Path, raw: Path) -> None:
    (raw / "manifest.csv").unlink()
    words = ["--Path", str(raw), "--Path_Checkpoint", str(group_ckpt)]
    with pytest.raises(SystemExit, match="of which nothing tells the group"):
        predict.main([*words, "--OUTPUT", str(tmp_path / "out" / "p.png")])
    assert not (tmp_path / "out").exists()


def test_pictures_of_a_group_with_two_truths_are_refused(group_ckpt: Path, raw: Path) -> None:
    files = sorted(raw.glob("*.png"))[:2]
    inputs = [Input(files[0], "a", "normal"), Input(files[1], "b", "abnormal")]
    predictor = TorchPredictor(checkpoint.load(group_ckpt))
    with pytest.raises(DataError, match=r"pictures of 1 of 1 groups disagree .* abnormal, normal"):
        group_predictions.answer(predictor, inputs, ["P1", "P1"], False)


def test_predict_and_predict_groups_are_for_their_own_models(ckpt: Path, group_ckpt: Path) -> None:
    with pytest.raises(UserError, match="wanted predict_groups"):
        vit.load(group_ckpt).predict(np.zeros((32, 32)))
    with pytest.raises(UserError, match="learned labels of images; wanted predict"):
        vit.load(ckpt).predict_groups({"a": np.zeros((32, 32))})


def test_groups_that_are_none_are_refused(group_ckpt: Path) -> None:
    model = vit.load(group_ckpt)
    with pytest.raises(UserError, match="got list, wanted the images of each group by its name"):
        model.predict_groups(["a.png"])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="got no image of P01, wanted one or more"):
        model.predict_groups({"P01": []})


def test_an_image_in_two_groups_is_refused(group_ckpt: Path, raw: Path) -> None:
    file = min(raw.glob("03_*.png"))
    with pytest.raises(DataError, match=r"_0.png more than once, wanted each image in one group"):
        vit.load(group_ckpt).predict_groups({"P03": [file], "P04": [file]})


def test_groups_of_nobody_are_said_in_prediction_too(capsys: pytest.CaptureFixture[str]) -> None:
    item = Input(Path("a.npy"), "a.npy", row={"group": "g1"})
    item.__dict__["folder"] = Path()  # a ProcessedFolder, which is looked for otherwise
    assert groups_in([item]) == ["g1"]
    assert "no column of manifest.csv names the patients" in capsys.readouterr().err


def test_no_graph_of_a_model_of_groups(group_ckpt: Path) -> None:
    source = checkpoint.load(group_ckpt)
    with pytest.raises(UserError, match="exported answers for single images"):
        export.export(source)
    with pytest.raises(UserError, match="exported answers for single images"):
        export.named_as(source, "timm")


def test_evaluate_takes_patients_and_refuses_their_pictures(
    tmp_path: Path, group_ckpt: Path, patients: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--Path", str(patients), "--Path_Checkpoint", str(group_ckpt)]
    predict.main([*words, "--OUTPUT", str(tmp_path / "p.png")])
    evaluate(["--predictions", str(tmp_path / "patients.csv")])
    assert "12 of 12 groups, 6 abnormal" in capsys.readouterr().out
    manifest = ["--manifest", str(patients / "manifest.csv")]
    with pytest.raises(SystemExit, match=r"is of images, but .*patients.csv is of groups"):
        evaluate(["--predictions", str(tmp_path / "patients.csv"), *manifest])
    with pytest.raises(SystemExit, match=r"wanted the patients.csv beside it"):
        evaluate(["--predictions", str(tmp_path / "predictions.csv")])


def test_an_external_study_is_of_groups(tmp_path: Path, group_ckpt: Path, raw: Path) -> None:
    words = ["--Path", str(raw), "--Path_Checkpoint", str(group_ckpt)]
    external.main([*words, "--OUTPUT", str(tmp_path / "out")])
    told = (tmp_path / "out" / "external.txt").read_text()
    assert "12 of 30 images count, 6 abnormal, 12 groups" in told
    assert "each image below is such a group" in told
    assert len(table(tmp_path / "out" / "predictions.csv")) == 12


@pytest.mark.usefixtures("unreported")
def test_a_training_of_groups_predicts_as_its_validation(
    tmp_path: Path, patients: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yml").write_text("init: none\nimage_size: 32\npatch_size: 8\nepochs: 2\n")
    words = ["--Config", "c.yml", "--data_folder", str(patients), "--label_of", "group"]
    train.main([*words, "--num_workers", "0", "--batch_size", "8", "--device", "cpu"])
    (validation,) = (tmp_path / "runs").glob("*/validation.csv")
    known = {row["path"]: float(row["probability_abnormal"]) for row in table(validation)}
    predict.main(["--Path", str(patients / "val"), "--OUTPUT", "p.png", "--device", "cpu"])
    temperature = checkpoint.load(tmp_path / "ViT.ckpt").temperature
    rows = table(tmp_path / "patients.csv")
    assert {row["group"] for row in rows} == known.keys()
    for row in rows:
        logit = np.log(known[row["group"]] / (1 - known[row["group"]])) / temperature
        expected = 1 / (1 + np.exp(-logit))
        assert float(row["probability_abnormal"]) == pytest.approx(expected, abs=1e-5)
