"""What a message is turned into before it is tokenised, in training as at run time, so that disguises do not pay."""

from spam_edge.normalization.normalizer import NORMALIZER_NAME, VERSION, Normalizer, Views

__all__ = ["NORMALIZER_NAME", "VERSION", "Normalizer", "Views"]
