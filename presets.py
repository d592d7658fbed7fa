"""The presets: what python CONFIG.py --preset NAME writes over the defaults.

docs/results.md says what each gave, and how long it took.
"""

from typing import Any

Changes = dict[str, Any]  # keys of config.yml and their values

# changes of the training images that the measured recipes do not make
STILL: Changes = {
    "rotate": 0.0,
    "zoom": 0.0,
    "noise": 0.0,
    "shading": 0.0,
    "dark_border": 0.0,
}
WINDOWS: Changes = {
    **STILL,
    "stem": "convolution",
    "num_hidden_layers": 4,
    "mlp_ratio": 4.0,
    "initializer_range": 0.1,
    "standardise": "image",
    "flip": "turns",
    "contrast": 0.2,
    "image_size": 64,
    "patch_size": 8,
    "embedding_size": 96,
    "num_heads": 3,
}
PHANTOMS: Changes = {
    "phantoms": "xray",
    "phantom_count": 40000,
    "shift": 0.0,
    "batch_size": 64,
    "lr": 3e-3,
    "lesion_loss": 2.0,
    "num_workers": 1,
}
# of curved reformations: patches that are small enough for thin vessels
REFORMATIONS: Changes = {
    **STILL,
    "image_size": 256,
    "patch_size": 8,
    "stem": "convolution",
    "embedding_size": 64,
    "num_heads": 2,
    "num_hidden_layers": 4,
    "mlp_ratio": 4.0,
    "kept_tokens": 0.35,
    "initializer_range": 0.1,
    "standardise": "image",
    "contrast": 0.2,
    "num_workers": 1,
}
# as pictures of other hospitals differ
ELSEWHERE: Changes = {
    "zoom": 0.2,
    "contrast": 0.3,
    "noise": 0.04,
    "shading": 0.3,
    "dark_border": 0.1,
}
MOVED: Changes = {"shift": 0.06, "zoom": 0.1, "rotate": 15.0}
PRESETS: dict[str, Changes] = {
    "windows-phantoms": {
        **WINDOWS,
        **PHANTOMS,
        **ELSEWHERE,
        "phantom_field": 36.0,
        "epochs": 10,
    },  # an hour on 1 core
    "windows": {
        **WINDOWS,
        **MOVED,
        "batch_size": 32,
        "lr": 5e-4,
        "epochs": 25,
        "num_workers": 1,
    },  # 1,650: 0.927
    "reformations-phantoms": {
        **REFORMATIONS,
        "phantoms": "mpr",
        "phantom_count": 12000,
        "shift": 0.0,
        "batch_size": 32,
        "lr": 2e-3,
        "lesion_loss": 2.0,
        "epochs": 5,
    },
    "reformations": {
        **REFORMATIONS,
        "rotate": 5.0,
        "zoom": 0.1,
        "batch_size": 16,
        "lr": 3e-4,
        "epochs": 20,
    },
}
