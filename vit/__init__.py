"""A Vision Transformer written from torch primitives, its training module, checkpoint and
explanations.
"""
