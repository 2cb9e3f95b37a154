"""CLIP's own tokenizer, from the files that lie beside a checkpoint made elsewhere.

It gives the numbers of openai/CLIP, clip/simple_tokenizer.py, and so of open_clip's default, for
captions in our normal form. That code also repairs texts with `ftfy`; what ftfy still does to
captions that are in order (straight quotes, plain letters for ligatures and for full-width ones) is
done here without it. Broken encodings it also mends are not mended.
"""

import unicodedata
from pathlib import Path
from typing import Any, ClassVar, Self

import msgspec
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from webpairs_core.errors import TrainError
from webpairs_trainer.text.tokenizer import CaptionTokenizer

# What is one piece before byte pairs are joined.
_PIECES = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)
# ftfy 6, fixes.py and chardata.py: uncurl_quotes, fix_latin_ligatures, fix_character_width.
_PLAIN = {ord(quote): "'" for quote in "\u02bc\u2018\u2019\u201a\u201b"}
_PLAIN |= {ord(quote): '"' for quote in "\u201c\u201d\u201e\u201f"}
_PLAIN |= {
    point: unicodedata.normalize("NFKC", chr(point))
    for point in (0x132, 0x133, 0x149, *range(0x1F1, 0x1F4), *range(0x1C4, 0x1CD))
}
_PLAIN |= {
    point: unicodedata.normalize("NFKC", chr(point))
    for point in (0x3000, *range(0xFB00, 0xFB07), *range(0xFF01, 0xFFF0))
}


class ClipTokenizer(CaptionTokenizer):
    """See the module."""

    frame: ClassVar[tuple[str, str]] = ("<|startoftext|>", "<|endoftext|>")

    @classmethod
    def load(cls, path: Path) -> Self:
        """The tokenizer.json of a folder, else its vocab.json and merges.txt.

        Raises TrainError when neither is there or they are no tokenizer.
        """
        whole, vocab, merges = (path / f for f in ("tokenizer.json", "vocab.json", "merges.txt"))
        if not whole.exists() and not (vocab.exists() and merges.exists()):
            raise TrainError(
                f"{path} has no tokenizer.json, nor vocab.json and merges.txt: copy them there "
                "from where the checkpoint is from"
            )
        used = whole if whole.exists() else vocab
        try:  # the library's own errors have no kind
            msgspec.json.decode(used.read_bytes(), type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise TrainError(f"{used} is no tokenizer ({error}): copy it again") from None
        if used == whole:
            return cls(Tokenizer.from_file(str(whole)))
        return cls(_byte_pairs(str(vocab), str(merges)))

    def encode(self, text: str, context_length: int) -> list[int]:
        """See `CaptionTokenizer.encode`."""
        return super().encode(text if text.isascii() else text.translate(_PLAIN), context_length)


def _byte_pairs(vocab: str, merges: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE.from_file(vocab, merges, end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
