"""data.preprocessing: a raw picture comes to the model as its prepared one does."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.prepare import prepare
from tests.test_prepare import CONFIGURATION
from training.data_module import preprocessing_of


@pytest.mark.parametrize("size", [16, 32, 48])  # the model's; stored are 32 px
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_raw_and_prepared_are_the_same_to_a_model_of_any_size(
    tmp_path: Path, size: int, depth: type
) -> None:
    rng = np.random.default_rng(0)
    most = np.iinfo(depth).max
    for label in ("normal", "abnormal"):
        (tmp_path / "raw" / label).mkdir(parents=True)
        for number in range(6):
            picture = rng.integers(0, most, (40, 30), dtype=depth)
            Image.fromarray(picture).save(tmp_path / "raw" / label / f"{number}.png")
    made = prepare(tmp_path / "raw", tmp_path / "PF", CONFIGURATION)
    model = preprocessing_of(made, CONFIGURATION.__class__(image_size=size, patch_size=8))
    assert model.stored_size == 32
    for sample in made.samples:
        raw = model.place(model.read(tmp_path / "raw" / sample.source))
        prepared = model.place(np.array(made.image(sample)), prepared=True)
        assert np.array_equal(raw, prepared)
