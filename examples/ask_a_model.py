# %% [markdown]
# # Ask a model
#
# From a handful of images to a prediction and its map, cell by cell. Run it as a script,
#
#     python examples/ask_a_model.py                 # makes phantoms and trains a tiny model first
#     python examples/ask_a_model.py ViT.ckpt        # asks a model of yours
#
# or open it in an editor that knows `# %%` cells. It takes less than a minute on one core.

# %% The project. Installed by `pip install -e .`, vit can be imported from any folder.
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if importlib.util.find_spec("vit") is None:
    sys.path.insert(0, str(ROOT))

import vit  # noqa: E402  the path comes first
from phantoms import xray  # noqa: E402

# %% Where the results go, and whether a model is given.
given = [Path(word) for word in sys.argv[1:] if word.endswith(".ckpt")]
work = Path(tempfile.mkdtemp(prefix="ask_a_model_"))


def run(*words: str) -> None:
    """One command of the project, as on the terminal; what it says is shown if it fails."""
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"python {' '.join(words)}\n{done.stderr[-2000:]}")


# %% A tiny model learns from made-up X-ray images of one clear vessel, half of them with a
# narrowing. With a model of yours this cell is passed over.
if not given:
    phantoms = work / "phantoms"
    easy = ["--image_size", "32", "--field", "20", "--difficulty", "0"]
    run("-m", "phantoms.xray", "--OUTPUT", str(phantoms), "--count", "120", *easy)
    prepared = work / "ProcessedFolder"
    run("-m", "data.prepare", "--Path", str(phantoms), "--OUTPUT", str(prepared), "--image_size=32")
    size = "--image_size 32 --patch_size 4 --stem convolution --embedding_size 32 --num_heads 2"
    recipe = "--num_hidden_layers 2 --initializer_range 0.1 --standardise image --flip turns"
    steps = "--epochs 16 --batch_size 16 --lr 3e-3 --num_workers 0 --device cpu"
    words = f"{size} {recipe} {steps}".split()
    run("train.py", "--data_folder", str(prepared), "--OUTPUT", str(work), *words)
checkpoint = given[0] if given else work / "ViT.ckpt"

# %% Load it. The file is checked before anything in it is used.
model = vit.load(checkpoint, device="cpu")
print(f"{checkpoint}: {' or '.join(model.class_names)}")

# %% Six new images, as numpy arrays. Files, folders, globs and PIL images go in as well.
scenes = [xray.phantom(seed=1, index=i, image_size=32, field=20, difficulty=0) for i in range(6)]
predictions = model.predict([scene.image for scene in scenes])
for scene, p in zip(scenes, predictions, strict=True):
    shares = ", ".join(f"{name} {share:.2f}" for name, share in p.probabilities.items())
    told = " or ".join(p.prediction_set or ()) or "none"
    print(f"{p.name}: truth {scene.label}, predicted {p.label} ({shares}); set: {told}")
for note in predictions.notes():
    print(f"note: {note}")

# %% Where does the evidence for the positive class lie? 1 is an even share.
positive = model.class_names[-1]
first = next(scene.image for scene in scenes if scene.label == "abnormal")
heat = model.explain(first, method="relevance", target=positive)
print(f"{heat.shape[0]} x {heat.shape[1]} map, peak {heat.max():.1f} even shares")

# %% Lay it over the image, and keep the picture.
picture = work / "heat.png"
model.overlay(first, heat).resize((256, 256)).save(picture)
print(f"wrote {picture}")
