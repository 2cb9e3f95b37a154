"""Where one sample lies in its tar, as the loop of the reader and the stores pass it on."""

from webpairs_shards.format.index import checksum

Place = tuple[int, bytes, int, int, int, tuple[int, ...]]
"""Number of the shard; key; CRC-32; start and length of the sample in the tar, in bytes; begin and
end of its image, JSON and caption, from that start. A plain tuple: one is made for every sample."""


def is_sound(place: Place, data: bytes) -> bool:
    """Whether these are the bytes of the sample, by its checksum."""
    _, _, crc32, _, length, (image, image_end, json, json_end, text, text_end) = place
    if len(data) != length:
        return False
    return checksum(data[image:image_end], data[json:json_end], data[text:text_end]) == crc32
