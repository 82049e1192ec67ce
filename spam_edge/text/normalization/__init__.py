"""Message normalisation before tokenisation, identical in training and at run time; it undoes disguises."""

from spam_edge.text.normalization.normalizer import NORMALIZER_NAME, VERSION, Normalizer, TextVariants

__all__ = ["NORMALIZER_NAME", "VERSION", "Normalizer", "TextVariants"]
