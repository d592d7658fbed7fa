"""What keys were called, and what they were, in configurations of earlier versions."""

from settings import Values

FORMER_NAMES = {
    "num_Channle": "num_channels",
    "attention_droput": "attention_dropout",
    "Epoch": "epochs",
    "Data_Process": "data_folder",
}
# what keys meant that are missing in a configuration of before version 2.1, which has no init
FORMER_VALUES: Values = {
    "init": "none",
    "image_size": 256,
    "epochs": 60,
    "batch_size": 16,
    "lr": 1e-3,
    "rotate": 0.0,
    "zoom": 0.0,
    "contrast": 0.1,
    "noise": 0.0,
    "shading": 0.0,
    "dark_border": 0.0,
    "predict_flipped": False,
    "label_of": "image",
    "group_images": 8,
    "frame": -1,
    "task": "classes",
}
# keys that no run of before has in its name
LATER = ("shading", "dark_border", "predict_flipped", "label_of", "group_images", "task")
