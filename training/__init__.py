"""Training: the only room that knows PyTorch Lightning."""
