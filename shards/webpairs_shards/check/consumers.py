"""What readers make of each kind of finding, measured: one row for each kind and reader.

Measured by running the reader on tars that have the fault and nothing else (most of them are made
in tests/foreign_tars.py). open_clip is its training loader (`get_wds_dataset`) under webdataset
0.2.86, the newest that it works with; webdataset is `WebDataset(tars).decode("pil")`; datasets is
`load_dataset("webdataset", …)`. The rows of img2dataset and CLIP_benchmark come from their source.
A newcomer adds rows: kind, reader, version, verb, how.
"""

from functools import cache
from typing import Literal

import msgspec

Verb = Literal["hangs", "fails", "misleads"]
"""hangs: waits for ever without a word; fails: stops with an error; misleads: goes on without a
word (or with a line of log), and gives other data than is there."""


class Effect(msgspec.Struct, frozen=True):
    """What one reader does."""

    reader: str
    """Name and version."""
    verb: Verb
    how: str


_OPEN_CLIP = "open_clip 3.3.0"
_OPEN_CLIP_4 = "open_clip 4.2.0.dev0"
_WEBDATASET = "webdataset 0.2.86 and 1.0.2"
_WEBDATASET_OLD = "webdataset 0.2.86"
_WEBDATASET_NEW = "webdataset 1.0.2"
_DATASETS = "datasets 5.2.0"
_UNPACKING = "tar and tarfile without a filter"
_CLIP_BENCHMARK = "CLIP_benchmark 48de38c"
_PILLOW = "Pillow 13.0.0"

_SKIPS = "passes over the sample; the log may say so, no count does"
_NO_TAR = "logs a line, passes over the rest of the shard and repeats others to fill the epoch"
_REST = "takes it for the end: the rest of the shard is missing without a word"
_RAISES = "stops at this sample with an error of its decoder"
_NULL_ROWS = "gives None in these rows"

EFFECTS: dict[str, tuple[tuple[str, Verb, str], ...]] = {
    "empty_file": (
        (_WEBDATASET, "fails", "ReadError: empty file"),
        (_DATASETS, "fails", "ReadError: empty file"),
        (_OPEN_CLIP, "misleads", _NO_TAR),
    ),
    "not_a_tar": (
        (_WEBDATASET, "fails", "ReadError: invalid header"),
        (_DATASETS, "fails", "ReadError: invalid header"),
        (_OPEN_CLIP, "misleads", _NO_TAR),
    ),
    "cut_tar": (
        (_WEBDATASET, "fails", "ReadError: unexpected end of data"),
        (_DATASETS, "fails", "ReadError: unexpected end of data"),
        (_OPEN_CLIP, "misleads", _NO_TAR),
    ),
    "no_end": (
        (_OPEN_CLIP, "misleads", _REST),
        (_WEBDATASET, "misleads", _REST),
        (_DATASETS, "misleads", _REST),
    ),
    "bad_header": (
        (_OPEN_CLIP, "misleads", _REST),
        (_WEBDATASET, "misleads", _REST),
        (_DATASETS, "misleads", _REST),
    ),
    "after_end": (
        (_OPEN_CLIP, "misleads", "does not read what stands after the end"),
        (_WEBDATASET, "misleads", "does not read what stands after the end"),
        (_DATASETS, "misleads", "does not read what stands after the end"),
    ),
    "first_shard_empty": ((_DATASETS, "fails", "ArrowInvalid: Must pass at least one table"),),
    "climbing_name": (
        (_UNPACKING, "misleads", "writes outside of the folder it was told to write to"),
    ),
    "not_a_file": (
        (_OPEN_CLIP, "misleads", "does not see the member, and passes over what lacks one"),
        (_WEBDATASET, "misleads", "does not see the member"),
        (_DATASETS, "misleads", _NULL_ROWS),
    ),
    "member_twice": (
        (_WEBDATASET, "fails", "ValueError: duplicate file name in tar file"),
        (_DATASETS, "fails", "ValueError: Duplicate field"),
    ),
    "nothing_to_train_on": ((_OPEN_CLIP, "hangs", "looks for a first sample for ever"),),
    "shard_without_pairs": (
        (_OPEN_CLIP, "hangs", "where a worker has no other shard; else it passes over this one"),
    ),
    "no_image": ((_OPEN_CLIP, "misleads", "passes over the sample without a word"),),
    "no_caption": ((_OPEN_CLIP, "misleads", "passes over the sample without a word"),),
    "dotted_key": (
        (_OPEN_CLIP, "misleads", "finds no image, as the ending is taken for a longer one"),
        (_WEBDATASET, "misleads", "makes one sample of many"),
        (_DATASETS, "misleads", "makes one row of many samples, with a column for each member"),
    ),
    "split_sample": (
        (_OPEN_CLIP, "misleads", "makes parts of it and passes over what lacks a member"),
        (_WEBDATASET, "misleads", "makes several samples of it, each with some of the members"),
        (_DATASETS, "misleads", "makes several rows of it, with None in them"),
    ),
    "empty_caption": (
        (_OPEN_CLIP, "misleads", "trains on the empty caption"),
        (_OPEN_CLIP_4, "misleads", "passes over the sample; hangs where all captions are empty"),
    ),
    "caption_not_utf8": (
        (_WEBDATASET, "fails", "stops at this sample with UnicodeDecodeError"),
        (_DATASETS, "fails", "stops at this sample with UnicodeDecodeError"),
        (_OPEN_CLIP, "misleads", _SKIPS),
    ),
    "json_broken": (
        (_WEBDATASET, "fails", _RAISES),
        (_DATASETS, "fails", _RAISES),
        (_OPEN_CLIP, "misleads", _SKIPS),
    ),
    "cls_not_number": (
        (_WEBDATASET, "fails", _RAISES),
        (_DATASETS, "fails", _RAISES),
        (_OPEN_CLIP, "misleads", _SKIPS),
    ),
    "first_members_differ": (
        (_DATASETS, "fails", "ValueError: the files do not share the same prefix or types"),
    ),
    "first_types_differ": ((_DATASETS, "fails", "ArrowTypeError: Unable to merge"),),
    "new_member": ((_DATASETS, "misleads", "drops the member without a word"),),
    "json_new_key": ((_DATASETS, "misleads", "drops the value without a word"),),
    "json_null_first": (
        (_DATASETS, "fails", "Couldn't cast array of type string to null (not when streaming)"),
    ),
    "json_rounded": ((_DATASETS, "misleads", "cuts the fraction off: 0.5 becomes 0"),),
    "json_too_big": ((_DATASETS, "fails", "OverflowError (not when streaming)"),),
    "json_turned": ((_DATASETS, "misleads", 'turns the value: 7 becomes "7" or True'),),
    "json_other_type": ((_DATASETS, "fails", "stops at this sample with ValueError or TypeError"),),
    "image_broken": (
        (_WEBDATASET, "fails", _RAISES),
        (_DATASETS, "fails", _RAISES),
        (_OPEN_CLIP, "misleads", _SKIPS),
    ),
    "image_too_large": ((_PILLOW, "fails", "DecompressionBombError"),),
    "image_large": ((_OPEN_CLIP_4, "misleads", "passes over the sample"),),
    "sample_across_shards": (
        (_OPEN_CLIP, "misleads", "makes two parts of it and passes over what lacks a member"),
        (_WEBDATASET_NEW, "misleads", "makes two samples of it, each with some of the members"),
        (_DATASETS, "misleads", "makes two rows of it, with None in them"),
    ),
    "key_at_border": (
        (_WEBDATASET_OLD, "fails", "ValueError: duplicate file name, when one follows the other"),
    ),
    "few_shards": (
        (_OPEN_CLIP, "fails", "its default is 4 workers for each GPU: give it fewer (--workers)"),
    ),
    "no_sizes": ((_OPEN_CLIP, "fails", "RuntimeError without --train-num-samples"),),
    "sizes_broken": ((_OPEN_CLIP, "fails", "cannot count the samples"),),
    "sizes_incomplete": ((_OPEN_CLIP, "fails", "KeyError with the name of the shard"),),
    "sizes_wrong": ((_OPEN_CLIP, "misleads", "an epoch of it is longer or shorter than the data"),),
    "stats_missing": (("img2dataset 1.47.0", "misleads", "makes the shard again when it goes on"),),
    "nshards_wrong": (
        (_CLIP_BENCHMARK, "fails", "opens 0.tar and so on, as many as it says: those must exist"),
        (_CLIP_BENCHMARK, "misleads", "leaves out the shards beyond"),
    ),
    "classnames_missing": ((_CLIP_BENCHMARK, "fails", "has no classes to choose from"),),
}


@cache
def effects_of(kind: str) -> tuple[Effect, ...]:
    """What readers do, the worst first; none where nothing is known to go wrong."""
    order = ("hangs", "fails", "misleads")
    found = [Effect(reader, verb, how) for reader, verb, how in EFFECTS.get(kind, ())]
    return tuple(sorted(found, key=lambda effect: order.index(effect.verb)))
