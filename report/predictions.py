"""What a model says of images: class, probabilities, map; and predictions.csv."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from tqdm import tqdm

from data.dataset import to_tensor
from data.inputs import Input
from data.processed import write_table
from data.readers import DataError
from files import keeping_former
from vit.explain import explain
from vit.hooks import OUTLIER, token_outliers


@dataclass
class Prediction:
    """What the model says of one image; the image itself is read again where it is drawn."""

    item: Input
    predicted: str
    probabilities: list[float]  # of each class
    map: NDArray[Any] | None = None  # (grid height, grid width) evidence, 1 is an even share; None: not asked for


def judge(
    inputs: list[Input],
    models: list[Any],
    about: dict[str, Any],
    device: torch.device,
    batch_size: int,
    asked: dict[str, Any] | None = None,
    tell: bool = True,
) -> list[Prediction]:
    """Prediction for each input, in their order, with a map if one is asked for (arguments of vit.explain.explain).

    Raises:
        DataError: every image, or lesion to be drawn, that cannot be read, a line each.
    """

    def mean(members: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(members).float().mean(dim=0).cpu()

    how, names = about["preprocessing"], about["class_names"]
    predictions, faults, longest = [], list[str](), list[torch.Tensor]()
    for model in models:
        model.to(device)
    bar = tqdm(total=len(inputs), desc="predicting", unit=" images", mininterval=1, leave=False)
    with bar as progress, token_outliers(models[0]) as ratios:
        for start in range(0, len(inputs), batch_size):
            part = inputs[start : start + batch_size]
            tensors = []
            for item in part:
                try:
                    pixels = item.image(how)
                    if asked is not None:
                        item.lesion(how)
                except ValueError as error:
                    faults.append(str(error))
                else:
                    tensors.append(to_tensor(pixels, how["mean"], how["std"], about["config"]["num_channels"]))
            progress.update(len(part))
            if faults:
                continue  # only the other faults are still of interest
            images = torch.stack(tensors).to(device)
            maps: list[Any] = [None] * len(part)
            if asked is None:
                with torch.inference_mode():
                    logits = mean([model(images) for model in models])  # several are the folds of a cross-validation
            else:
                both = [explain(model, images, **asked) for model in models]
                logits, maps = mean([said for said, _ in both]), list(mean([map_ for _, map_ in both]).numpy())
            longest.append(ratios[0])  # occlusion makes more passes, of painted images
            ratios.clear()
            probabilities = (logits / about["temperature"]).softmax(dim=1).numpy()
            for item, row, map_ in zip(part, probabilities, maps, strict=True):
                chosen = int(row[1] >= about["threshold"]) if len(names) == 2 else int(row.argmax())
                predictions.append(Prediction(item, names[chosen], row.tolist(), map_))
    if faults:
        told = f"{len(faults)} of {len(inputs)} images cannot be used; mend or remove them"
        raise DataError("\n".join([*faults, told]))
    if tell and (many := int((torch.cat(longest) > OUTLIER).sum())):
        print(f"note: in {many} of {len(inputs)} images a patch token is more than {OUTLIER:g} times as long as usual; "
              "attention gathers on such tokens whatever the picture shows. The published remedy is to train with "
              "registers, as num_registers: 4", file=sys.stderr)  # fmt: skip
    return predictions


def write(predictions: list[Prediction], class_names: list[str], path: Path) -> None:
    """Write predictions.csv: path, truth, probability of each class, predicted class; a former one is kept."""
    rows = [
        {"path": said.item.name, "truth": said.item.truth}
        | {f"probability_{name}": f"{p:.6f}" for name, p in zip(class_names, said.probabilities, strict=True)}
        | {"predicted": said.predicted}
        for said in predictions
    ]
    with keeping_former(path):
        write_table(path, rows)
