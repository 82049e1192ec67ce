"""Text to token ids, exactly as in training: same tokenizer file, truncation from the manifest."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from spam_edge.errors import BundleIntegrityError, InputError


@dataclass(frozen=True, slots=True)
class TokenIds:
    """One tokenised message: its ids, [CLS] and [SEP] included, and whether its end was cut off."""

    ids: list[int]
    truncated: bool


class TextEncoder:
    """A ``tokenizer.json`` whose own truncation and padding are replaced by what the manifest says."""

    def __init__(self, path: Path, *, max_length: int) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise BundleIntegrityError(f"{path} is no tokenizer ({error}); export the bundle again") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)

    def encode(self, texts: Sequence[str]) -> list[TokenIds]:
        """Tokenise messages; an empty one becomes [CLS] [SEP].

        Raises:
            InputError: an element is no string, or no valid Unicode (a lone surrogate).
        """
        _check_texts(texts)
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        return [TokenIds(encoding.ids, bool(encoding.overflowing)) for encoding in encodings]


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise InputError("a list of messages is expected, not one string; use classify() for one message")
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"message {index} is {type(text).__name__}, not str; convert it or leave it out")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InputError(
                    f"message {index} is no valid Unicode: lone surrogate at character {error.start}; "
                    "decode the input again with its real encoding"
                ) from error
