"""From folders of coronary images to batches: reading, preparing, splitting. Code, no images."""
