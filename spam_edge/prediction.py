"""The result type of the classifier."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prediction:
    """The classification of one message.

    Attributes:
        label: name of the class, or ``UNSURE`` with the option ``unsure``.
        score: calibrated probability of the positive class, 0 to 1.
        truncated: the message exceeded the maximum length, so only its beginning was scored.
        disguised: characters were folded that ordinary text does not have, such as letters of another script inside an
            English word, or only the second text variant, which joins and respells words, reached the threshold.
    """

    label: str
    score: float
    truncated: bool
    disguised: bool = False
