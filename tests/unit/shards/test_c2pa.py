"""Training assertions in C2PA manifests: found wherever they lie, harmless however they lie."""

import random
import struct
import tracemalloc
from typing import Any

import cbor2
import pytest

from rights_files import assertion, box, denial, manifest_store, superbox, with_c2pa
from webpairs_shards.image.c2pa import training_uses
from webpairs_shards.image.embedded import find_embedded


@pytest.mark.parametrize("label", ["c2pa.training-mining", "cawg.training-mining"])
@pytest.mark.parametrize("suffix", ["", "__1", ".v2", ".v2__3"])
def test_both_labels_and_their_versions(label: str, suffix: str) -> None:
    vendor = label.partition(".")[0]
    entries = {
        f"{vendor}.data_mining": {"use": "allowed"},
        f"{vendor}.ai_training": {"use": "notAllowed"},
        f"{vendor}.ai_generative_training": {"use": "constrained", "constraint_info": "ask"},
        f"{vendor}.ai_inference": {"use": "allowed"},
    }
    assert training_uses(manifest_store(assertion(entries, label + suffix))) == (
        ("ai_generative_training", "constrained"),
        ("ai_inference", "allowed"),
        ("ai_training", "notAllowed"),
        ("data_mining", "allowed"),
    )


def test_json_assertions_of_early_drafts_count() -> None:
    said = b'{"entries": {"c2pa.ai_training": {"use": "notAllowed"}}}'
    store = manifest_store(superbox(b"json", "c2pa.training-mining", box(b"json", said)))
    assert training_uses(store) == (("ai_training", "notAllowed"),)


def test_the_manifests_of_ingredients_count_too() -> None:
    ours = superbox(b"c2ma", "urn:c2pa:2", assertion({"c2pa.ai_training": {"use": "allowed"}}))
    theirs = superbox(b"c2ma", "urn:c2pa:1", assertion({"c2pa.ai_training": {"use": "notAllowed"}}))
    assert training_uses(superbox(b"c2pa", "c2pa", theirs, ours)) == (
        ("ai_training", "allowed"),
        ("ai_training", "notAllowed"),
    )


@pytest.mark.parametrize(
    "entries",
    [
        {},
        {"c2pa.ai_training": "notAllowed"},
        {"c2pa.ai_training": {"use": "perhaps"}},
        {"c2pa.ai_training": {"use": ["notAllowed"]}},
        {"c2pa.ai_training": {}},
        {"c2pa.cooking": {"use": "notAllowed"}},
        {7: {"use": "notAllowed"}},
        [],
        None,
    ],
)
def test_what_says_nothing(entries: Any) -> None:
    assert training_uses(manifest_store(assertion(entries))) == ()


@pytest.mark.parametrize("label", ["c2pa.training-mining-not", "c2pa.actions", "x.training-mining"])
def test_other_assertions_are_not_asked(label: str) -> None:
    entries = {"c2pa.ai_training": {"use": "notAllowed"}}
    assert training_uses(manifest_store(assertion(entries, label))) == ()


def test_a_jpeg_keeps_it_in_pieces() -> None:
    padding = superbox(b"cbor", "c2pa.actions", box(b"cbor", cbor2.dumps("x" * 200_000)))
    store = manifest_store(padding, assertion({"c2pa.data_mining": {"use": "notAllowed"}}))
    for piece_bytes in (60_000, 997):
        [found] = find_embedded(with_c2pa(store, "JPEG", piece_bytes), "JPEG").jumbf
        assert found == store
    assert training_uses(found) == (("data_mining", "notAllowed"),)


def test_boxes_with_long_lengths_are_read() -> None:
    inner = denial()
    long = struct.pack(">I4sQ", 1, b"jumb", len(inner) - 8 + 16) + inner[8:]
    assert training_uses(long) == (("ai_training", "notAllowed"),)
    to_the_end = struct.pack(">I", 0) + inner[4:]
    assert training_uses(to_the_end) == (("ai_training", "notAllowed"),)


LABEL = "c2pa.training-mining"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x9b\x7f" + b"\xff" * 7,  # an array of 2^63 items
        b"\x7b\0\0\0\x7f\xff\xff\xff\xffx",  # a text of 512 GB
        b"\xbb\x7f" + b"\xff" * 7,
        b"\x81" * 60_000 + b"\0",
        b"\xc6" * 60_000 + b"\0",
        b"\xd8\x1c\x81\xd8\x1d\0",  # a list that holds itself
        b"\xc4\x82\x1b\x7f" + b"\xff" * 7 + b"\1",  # 10 ** 2^63
        b"\xd8\x1e\x82\1\0",  # 1/0
        cbor2.dumps({"entries": {"c2pa.ai_training": {"use": "x" * 1_000_000}}}),
        cbor2.dumps({"entries": {f"c2pa.{i}": {"use": "notAllowed"} for i in range(2000)}}),
    ],
    ids=range(11),
)
def test_hostile_cbor_is_harmless(content: bytes) -> None:
    store = manifest_store(superbox(b"cbor", LABEL, box(b"cbor", content)))
    tracemalloc.start()
    assert training_uses(store) == ()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_hostile_boxes_end() -> None:
    nested = b""
    for _ in range(5000):
        nested = box(b"jumb", nested)
    for store in (
        nested + LABEL.encode(),
        box(b"jumb", b"") * 200_000 + LABEL.encode(),
        struct.pack(">I4sQ", 1, b"jumb", 2**63) + LABEL.encode(),
        struct.pack(">I4sQ", 1, b"jumb", 0) * 1000 + LABEL.encode(),
        b"\0" * 1_000_000 + LABEL.encode(),
    ):
        assert training_uses(store) == ()


def test_any_byte_may_lie() -> None:
    whole = denial()
    chance = random.Random(0)
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        assert set(training_uses(bytes(data[: chance.randint(0, len(data))]))) <= {
            (use, answer)
            for use in ("data_mining", "ai_training", "ai_generative_training", "ai_inference")
            for answer in ("allowed", "notAllowed", "constrained")
        }
