"""Captions ↔ token numbers: a byte-level BPE learned from the captions of the shards.

It is learned and not CLIP's own, because captions may be in any language and a tiny model cannot
afford 49,408 embeddings. All 256 bytes are in it, so no text is out of vocabulary. The end token
has the highest number: that is where the text tower reads its feature (open_clip's `argmax`).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar, Self

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from torch import Tensor

from webpairs_core.errors import TrainError

START, END = "<start>", "<end>"


class CaptionTokenizer:
    """Lower-cases, folds whitespace, cuts into known pieces, frames with start and end."""

    frame: ClassVar[tuple[str, str]] = (START, END)

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        # A caption that spells <end> is text like any other.
        tokenizer.encode_special_tokens = True
        start, end = (tokenizer.token_to_id(token) for token in self.frame)
        if start is None or end is None:
            raise TrainError(
                f"the tokenizer has no {' and '.join(self.frame)}: give the one that was saved "
                "with the model"
            )
        self._start: int = start
        self.end: int = end
        """The number of the end token."""

    @classmethod
    def train(cls, captions: Iterable[str], vocab_size: int) -> Self:
        """Learn at most `vocab_size` tokens, the two frame tokens included; the same captions in
        the same order give the same tokenizer."""
        tokenizer = Tokenizer(models.BPE())
        tokenizer.normalizer = normalizers.Sequence(
            [
                normalizers.NFC(),
                normalizers.Lowercase(),
                normalizers.Replace(Regex(r"\s+"), " "),
                normalizers.Strip(),
            ]
        )
        # The space before the first word makes it the same token as inside a sentence.
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = BpeTrainer(
            vocab_size=vocab_size - 2,
            min_frequency=2,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(captions, trainer)
        frame = [AddedToken(START, special=True), AddedToken(END, special=True)]
        tokenizer.add_special_tokens(frame)
        return cls(tokenizer)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a tokenizer.json. Raises TrainError when it has no frame tokens."""
        return cls(Tokenizer.from_str(path.read_text(encoding="utf-8")))

    @property
    def vocab_size(self) -> int:
        """How many tokens it knows, the frame included."""
        size: int = self._tokenizer.get_vocab_size()
        return size

    def to_bytes(self) -> bytes:
        """The content of tokenizer.json (the file format of the `tokenizers` library)."""
        return self._tokenizer.to_str(pretty=True).encode()

    def encode(self, text: str, context_length: int) -> list[int]:
        """Token numbers of one caption, start and end included, cut to `context_length`."""
        numbers = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [self._start, *numbers[: context_length - 2], self.end]

    def encode_many(self, texts: Sequence[str], context_length: int) -> list[list[int]]:
        """`encode` of each text, by all cores at once."""
        found = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [[self._start, *each.ids[: context_length - 2], self.end] for each in found]

    def decode(self, numbers: Sequence[int]) -> str:
        """The normalised text of token numbers, without frame and padding."""
        inner = list(numbers)[1:]
        if self.end in inner:
            inner = inner[: inner.index(self.end)]
        text: str = self._tokenizer.decode(inner)
        return text.strip()


def pad(rows: Sequence[list[int]]) -> Tensor:
    """(B, T) int64, T = the longest row: the text tower's result does not depend on the padding,
    and most of its work would be spent on it (77 tokens where captions have 15)."""
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])
