"""CONFIG.py and config.yml: precedence, former names, and faults that name the remedy."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import CONFIG
from presets import PRESETS
from training.initial_weights import SHAPING

PROJECT = Path(__file__).resolve().parents[1]
FIRST_VERSION = """\
Data_Process: ./ProcessedFolder/
Epoch: 400
attention_droput: 0.0
batch_size: 1
embedding_size: 256
eps: 1.0e-12
hidden_dropout_prob: 0.0
image_size: 256
initializer_range: 0.02
lr: 0.01
mlp_ratio: 4
num_Channle: 1
num_classes: 2
num_heads: 8
num_hidden_layers: 4
num_workers: 2
patch_size: 16
qkv_bias: true
weight_decay: 0.01
"""


def config_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yml"
    path.write_text(text)
    return path


def test_first_published_file_loads_and_names_the_new_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = CONFIG.load(config_file(tmp_path, FIRST_VERSION))
    assert (config.epochs, config.num_channels, config.lr, config.batch_size) == (400, 1, 0.01, 1)
    assert "Epoch is called epochs now" in capsys.readouterr().err


def test_command_line_beats_file_beats_defaults(tmp_path: Path) -> None:
    path = config_file(tmp_path, "init: auto\nlr: 0.5\nepochs: 7\n")
    config = CONFIG.load(path, {"epochs": "9"})
    assert (config.lr, config.epochs, config.batch_size) == (0.5, 9, CONFIG.Config().batch_size)


def test_numbers_without_a_point_are_numbers(tmp_path: Path) -> None:
    assert CONFIG.load(config_file(tmp_path, "lr: 1e-2\neps: 1e-12\n")).lr == 0.01


def test_written_file_loads_to_the_same_values_and_explains_each(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    CONFIG.write(CONFIG.Config(lr=0.003, flip="none"), path)
    assert CONFIG.load(path) == CONFIG.Config(lr=0.003, flip="none")
    assert set(yaml.safe_load(path.read_text())) == set(CONFIG.FIELDS)
    for field in CONFIG.FIELDS.values():
        assert field.metadata["meaning"] in path.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bath_size: 4", "unknown key bath_size; did you mean batch_size"),
        ("epochs: many", "epochs: got 'many', wanted a whole number"),
        ("epochs: 1.5", "epochs: got '1.5', wanted a whole number"),
        ("qkv_bias: perhaps", "qkv_bias: got 'perhaps', wanted true or false"),
        ("lr: true", "lr: got 'true', wanted a number"),
        ("lr: 0", r"lr: got '0', wanted a number .auto, 1e-09 to 10."),
        ("epochs: 0", r"epochs: got '0', wanted a whole number .auto, 1 to"),
        ("lr: -1", "lr: got -1.0, wanted one in"),
        ("lr: .nan", "lr: got '.nan', wanted a number"),
        ("lr: nan", "lr: got nan, wanted one in"),
        (
            "flip: bth",
            "flip: got bth, wanted one in .none, horizontal, both, turns.; did you mean both",
        ),
        ("image_size: 250", "image_size: got 250, wanted a multiple of patch_size 16, such as 256"),
        ("num_heads: 7", "embedding_size: got 96, wanted a multiple of num_heads 7, such as 98"),
        ("Epoch: 3\nepochs: 4", "epochs is given twice"),
        ("lr: 0.1\nepochs: 3\nlr: 0.2", "config.yml: lr is given twice; keep one"),
        ("seed: 1:30", "seed: got '1:30', wanted a whole number"),
        ("batch_size: 0x10", "batch_size: got '0x10', wanted a whole number"),
        ("data_folder: ''", "data_folder has no value; give it one"),
        ("data_folder:", "data_folder has no value; give it one"),
        ("only words", "got text, wanted lines of the form"),
        ("- lr", "got a list, wanted lines of the form"),
        ("lr: [", "not readable as YAML"),
    ],
)
def test_a_fault_says_what_was_got_and_wanted(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CONFIG.ConfigError, match=message):
        CONFIG.load(config_file(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("batch_size: 010", "batch_size", 10),
        ("data_folder: 2024_01", "data_folder", "2024_01"),
        ("data_folder: 007", "data_folder", "007"),
        ("data_folder: 1.50", "data_folder", "1.50"),
        ("data_folder: 2024-01-05", "data_folder", "2024-01-05"),
        ("data_folder: no", "data_folder", "no"),
        ("qkv_bias: off", "qkv_bias", False),
        ("qkv_bias: True", "qkv_bias", True),
    ],
)
def test_a_value_is_read_as_it_is_written(
    tmp_path: Path, text: str, name: str, value: object
) -> None:
    assert getattr(CONFIG.load(config_file(tmp_path, text)), name) == value


@pytest.mark.parametrize("name", ["image_size", "lr", "epochs"])
def test_auto_is_written_and_read_and_goes_through_python(tmp_path: Path, name: str) -> None:
    CONFIG.write(CONFIG.Config(), tmp_path / "config.yml")
    assert f"\n{name}: auto\n" in (tmp_path / "config.yml").read_text()
    assert name in CONFIG.load(tmp_path / "config.yml").open_keys()
    assert CONFIG.load(None, dataclasses.asdict(CONFIG.Config())) == CONFIG.Config()


def test_a_file_of_comments_alone_gives_the_defaults(tmp_path: Path) -> None:
    assert CONFIG.load(config_file(tmp_path, "# lr: 0.5\n")) == CONFIG.Config()


def test_all_faults_are_listed_together(tmp_path: Path) -> None:
    with pytest.raises(CONFIG.ConfigError) as error:
        CONFIG.load(config_file(tmp_path, "bath_size: 4\nepochs: many\nlr: -1\n"))
    assert len(str(error.value).splitlines()) == 3


def test_fingerprint_ignores_what_cannot_change_a_result() -> None:
    assert CONFIG.Config(num_workers=0).fingerprint() == CONFIG.Config(num_workers=5).fingerprint()
    assert CONFIG.Config(lr=0.1).fingerprint() != CONFIG.Config(lr=0.2).fingerprint()


def test_a_run_of_before_is_called_as_it_was() -> None:
    """So that one that was interrupted goes on under a later version."""
    former = CONFIG.Config(**CONFIG.FORMER_VALUES)
    assert former.fingerprint() == "8095efb3"


def test_running_it_keeps_an_edited_file(tmp_path: Path) -> None:
    config_file(tmp_path, "lr: 0.5\n")
    for _ in range(2):
        subprocess.run(
            [sys.executable, PROJECT / "CONFIG.py"], cwd=tmp_path, check=True, capture_output=True
        )
    kept = [path for path in tmp_path.iterdir() if path.name != "config.yml"]
    assert [path.read_text() for path in kept] == ["lr: 0.5\n"]


def test_committed_config_is_what_CONFIG_writes(tmp_path: Path) -> None:
    CONFIG.write(CONFIG.Config(), tmp_path / "config.yml")
    assert (PROJECT / "config.yml").read_text() == (tmp_path / "config.yml").read_text()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_written_and_loads(name: str, tmp_path: Path) -> None:
    command = [sys.executable, PROJECT / "CONFIG.py", "--preset", name, "--OUTPUT", "other.yml"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    config = CONFIG.load(tmp_path / "other.yml")
    assert {key: getattr(config, key) for key in PRESETS[name]} == PRESETS[name]


def test_weights_of_a_pre_training_fit_the_preset_that_goes_on_from_them() -> None:
    for name in ("windows", "reformations"):
        one, first = (CONFIG.Config(**PRESETS[key]) for key in (name, f"{name}-phantoms"))
        assert all(getattr(one, key) == getattr(first, key) for key in SHAPING)
