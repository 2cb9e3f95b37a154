"""How a file is cut for S3: at most 10,000 parts of 5 MiB to 5 GiB each
(docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html)."""

from threading import Event
from types import SimpleNamespace

import pytest

from webpairs_shards.write.places.place import File
from webpairs_shards.write.places.s3 import S3Place

MIB = 1 << 20


@pytest.mark.parametrize("n_bytes", [0, 1, 16 * MIB, 160_000 * MIB, 160_000 * MIB + 1, 5 << 40])
def test_parts_suffice_for_any_file(n_bytes: int) -> None:
    place = S3Place("s3://bucket/to", SimpleNamespace(), "bucket/to", Event())
    part = place.block_bytes(File("shard-000000.tar", "0" * 64, n_bytes))
    assert 16 * MIB <= part <= 5 << 30
    assert -(-n_bytes // part) <= 10_000
