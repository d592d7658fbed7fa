"""What a model is worth on given images: figures with intervals, and comparisons."""
