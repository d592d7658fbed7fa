"""What a model says of images: class, probabilities, map; and predictions.csv."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from tqdm import tqdm

from data.dataset import to_tensor
from data.inputs import Input
from data.readers import DataError
from data.tables import write_table
from files import keeping_former
from metrics.conformal import conformal_set, limits
from vit.explain import explain
from vit.hooks import OUTLIER, token_outliers

LEVEL = (
    0.9  # share of the images of each class whose conformal set holds it, unless asked for another
)


@dataclass
class Prediction:
    """What the model says of one image; the image itself is read again where it is drawn."""

    item: Input
    predicted: str
    probabilities: list[float]  # of each class
    map: NDArray[Any] | None = (
        None  # (grid height, grid width) evidence, 1 is an even share; None: not asked for
    )
    set: list[str] | None = None  # classes of its conformal set; None: the checkpoint cannot tell
    unlike: float | None = (
        None  # distance from the training images, above 1 it is unlike them; None: cannot tell
    )
    in_training: bool = False

    def row(self, class_names: list[str]) -> dict[str, str]:
        """Its row of predictions.csv."""
        shares = zip(class_names, self.probabilities, strict=True)
        return {"path": self.item.name, "truth": self.item.truth} | {
            **{f"probability_{name}": f"{share:.6f}" for name, share in shares},
            "predicted": self.predicted,
            "set": "" if self.set is None else ";".join(self.set) or "none",
            "unlike": "" if self.unlike is None else f"{self.unlike:.3f}",
            "in_training": "yes" if self.in_training else "no",
        }


def judge(
    inputs: list[Input],
    models: list[Any],
    about: dict[str, Any],
    device: torch.device,
    batch_size: int,
    asked: dict[str, Any] | None = None,
    tell: bool = True,
) -> list[Prediction]:
    """Prediction for each input, in their order, with a map if one is asked for (arguments of
    vit.explain.explain).

    Raises:
        DataError: every image, or lesion to be drawn, that cannot be read, a line each.
    """

    def mean(members: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(members).float().mean(dim=0).cpu()

    how = about["preprocessing"]
    names = about["class_names"]
    predictions = []
    faults = list[str]()
    longest = list[torch.Tensor]()
    limit = limits(about.get("conformal_scores", {}), about.get("level", LEVEL))
    familiar = about.get("familiarity", [])
    trained = set(about.get("training_images_sha256", []))
    for module in [*models, *familiar]:
        module.to(device)
    bar = tqdm(total=len(inputs), desc="predicting", unit=" images", mininterval=1, leave=False)
    with bar as progress, token_outliers(models[0]) as ratios:
        for start in range(0, len(inputs), batch_size):
            part = inputs[start : start + batch_size]
            tensors = []
            known = []
            for item in part:
                try:
                    pixels = item.image(how)
                    known.append(bool(trained and trained & item.digests(how)))
                    if asked is not None:
                        item.lesion(how)
                except ValueError as error:
                    faults.append(str(error))
                else:
                    tensors.append(
                        to_tensor(pixels, how["mean"], how["std"], about["config"]["num_channels"])
                    )
            progress.update(len(part))
            if faults:
                continue  # only the other faults are still of interest
            images = torch.stack(tensors).to(device)
            maps: list[Any] = [None] * len(part)
            if asked is None:
                with torch.inference_mode():
                    logits = mean(
                        [model(images) for model in models]
                    )  # several are the folds of a cross-validation
            else:
                both = [explain(model, images, **asked) for model in models]
                logits = mean([said for said, _ in both])
                maps = list(mean([map_ for _, map_ in both]).numpy())
            unlike: list[Any] = [None] * len(part)
            if familiar:
                unlike = mean(
                    [each(model, images) for each, model in zip(familiar, models, strict=True)]
                ).tolist()
            longest.append(ratios[0])  # occlusion makes more passes, of painted images
            ratios.clear()
            rows = (logits / about["temperature"]).softmax(dim=1).tolist()
            for item, row, map_, distance, trained_on in zip(
                part, rows, maps, unlike, known, strict=True
            ):
                chosen = (
                    int(row[1] >= about["threshold"]) if len(names) == 2 else row.index(max(row))
                )
                classes = conformal_set(row, limit) if limit else None
                predictions.append(
                    Prediction(item, names[chosen], row, map_, classes, distance, trained_on)
                )
    if faults:
        told = f"{len(faults)} of {len(inputs)} images cannot be used; mend or remove them"
        raise DataError("\n".join([*faults, told]))
    if tell:
        _tell(predictions, limit)
    if tell and (many := int((torch.cat(longest) > OUTLIER).sum())):
        print(
            f"note: in {many} of {len(inputs)} images a patch token is more than {OUTLIER:g} times as long as usual; "
            "attention gathers on such tokens whatever the picture shows. The published remedy is to train with "
            "registers, as num_registers: 4",
            file=sys.stderr,
        )
    return predictions


def _tell(predictions: list[Prediction], limit: dict[str, float]) -> None:
    """Notes of what keeps the predictions from being taken at their word."""
    for count, words in (
        (
            sum((said.unlike or 0) > 1 for said in predictions),
            "lie farther from the training images than 19 in 20 of like images do: what is said of them "
            "may mean nothing",
        ),
        (
            sum(said.in_training for said in predictions),
            "were in training: what is said of them flatters",
        ),
    ):
        if count:
            print(f"note: {count} of {len(predictions)} images {words}", file=sys.stderr)
    if scarce := [name for name, most in limit.items() if math.isinf(most)]:
        print(
            f"note: too few validation images of class {', '.join(scarce)} for this --level: "
            "it is in the set of every image",
            file=sys.stderr,
        )


def write(predictions: list[Prediction], class_names: list[str], path: Path) -> None:
    """Write predictions.csv: path, truth, probability of each class, predicted class; a former one
    is kept.
    """
    with keeping_former(path):
        write_table(path, [said.row(class_names) for said in predictions])
