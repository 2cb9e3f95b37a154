"""Every kind of finding: how grave it is, and a sentence for a person.

A fault is damage, or something that hangs, fails or misleads a reader (`consumers.py` says which).
A notice is worth knowing and may be meant.
"""

from typing import Literal, NamedTuple

Severity = Literal["fault", "notice"]


class Kind(NamedTuple):
    """One kind of finding."""

    severity: Severity
    what: str


def _fault(what: str) -> Kind:
    return Kind("fault", what)


def _notice(what: str) -> Kind:
    return Kind("notice", what)


KINDS: dict[str, Kind] = {
    # Files
    "unreadable": _fault("cannot be read"),
    "not_checked": _fault("was not checked to its end: the process that checked it was lost"),
    "empty_file": _fault("has no bytes"),
    "not_a_tar": _fault("is no tar"),
    "cut_tar": _fault("is cut: it ends inside of a member"),
    "no_end": _fault("does not end as a tar does: members may be missing"),
    "bad_header": _fault("has a broken header: what comes after it cannot be found"),
    "after_end": _fault("goes on after its end: what stands there is not read"),
    "empty_tar": _notice("is a tar without samples"),
    "first_shard_empty": _fault("is a tar without samples, and the first shard"),
    # Members
    "climbing_name": _fault("a member would be unpacked outside of the folder"),
    "not_a_file": _fault("a link, a device or a pipe stands where a file belongs"),
    "unread_member": _notice("a member that belongs to no sample"),
    "odd_name": _notice("the name of a member is not UTF-8, very long or has control characters"),
    "large_member": _notice("a member is so large that only its size was looked at"),
    "member_twice": _fault("a sample has two members with one ending"),
    # Samples
    "nothing_to_train_on": _fault("no sample has both an image and a caption"),
    "shard_without_pairs": _fault("no sample of the shard has both an image and a caption"),
    "no_image": _fault("a sample without an image (.jpg, .jpeg, .png or .webp)"),
    "no_caption": _fault("a sample without a caption (.txt)"),
    "no_label": _fault("a sample without a label (.cls)"),
    "dotted_key": _fault("a dot in the name cuts the key short, so samples run into each other"),
    "split_sample": _fault("the members of a sample are not adjacent"),
    "key_twice": _notice("a key stands twice in one shard"),
    "bad_key": _fault("the key has other characters than 0-9 and a-z"),
    "empty_caption": _fault("the caption is empty"),
    "caption_not_utf8": _fault("the caption is not UTF-8"),
    "caption_not_nfc": _notice("the caption is not in Unicode NFC"),
    "caption_breaks": _notice("the caption has a line break or a NUL"),
    "json_broken": _fault("the JSON is damaged"),
    "cls_not_number": _fault("the label is no whole number"),
    "member_order": _fault("the members of a sample are not in their order"),
    # What HF datasets takes from the first five samples
    "first_members_differ": _fault("the first five samples have different members"),
    "first_types_differ": _fault("a JSON value of the first five samples changes its type"),
    "new_member": _fault("a member that the first five samples do not have"),
    "missing_member": _notice("a member is missing that the first five samples have"),
    "json_new_key": _fault("a JSON key that the first five samples do not have"),
    "json_lost_key": _notice("a JSON key is missing that the first five samples have"),
    "json_null_first": _fault("a JSON value that is null in the first five samples"),
    "json_rounded": _fault("a fraction in JSON where the first five samples have whole numbers"),
    "json_too_big": _fault("a whole number in JSON that does not fit in 64 bits"),
    "json_turned": _fault("a JSON value of another type than in the first five samples"),
    "json_other_type": _fault("a JSON value that cannot become the type of the first five samples"),
    # Pictures
    "image_broken": _fault("the image does not decode"),
    "image_too_large": _fault("the image has more pixels than decoders allow: it was not decoded"),
    "image_large": _notice("the image has more than 25 million pixels"),
    "wrong_ending": _notice("the image is of another format than its ending says"),
    # Across shards
    "sample_across_shards": _fault("a shard ends inside of a sample, and the next one goes on"),
    "key_at_border": _fault("a shard ends with the key that another one begins with"),
    "key_in_shards": _notice("a key stands in several shards"),
    "equal_images": _notice("an image stands there several times, byte for byte"),
    "few_shards": _notice("there are fewer shards than a default run has workers"),
    # Beside the shards
    "no_sizes": _notice("there is no sizes.json and no __len__"),
    "sizes_broken": _fault("cannot be read as numbers of samples"),
    "sizes_incomplete": _fault("sizes.json does not list every shard"),
    "sizes_wrong": _fault("counts other samples than the tar holds"),
    "sizes_extra": _notice("sizes.json lists a shard that is not there"),
    "stats_missing": _fault("the shard has no _stats.json: img2dataset did not finish it"),
    "stats_broken": _fault("cannot be read as img2dataset's statistics"),
    "stats_disagree": _fault("_stats.json counts other samples than the tar or the Parquet holds"),
    "table_broken": _fault("cannot be read as Parquet with the columns key and status"),
    "table_disagrees": _fault("the Parquet has other successful rows than the tar has samples"),
    "tar_missing": _fault("the tar that belongs to it is missing"),
    "nshards_wrong": _fault("nshards.txt says another number of shards than there are"),
    "classnames_missing": _fault("classnames.txt is missing, empty or not UTF-8"),
    "class_unknown": _fault("a label has no line in classnames.txt"),
    # webpairs' own folders
    "changed": _fault("its SHA-256 is not the manifest's: its bytes have changed"),
    "size_changed": _fault("has another number of bytes than the manifest says"),
    "count_differs": _fault("another number of samples than the manifest says"),
    "sample_changed": _fault("the sample's bytes have changed since it was written (CRC-32)"),
    "missing": _fault("is missing"),
    "unlisted": _fault("is not in the manifest: remove it"),
    "sidecar_broken": _fault("a sidecar cannot be read"),
    "index_disagrees": _fault("the idx says something else than the tar"),
    "row_disagrees": _fault("the row of the parquet is not the sample's JSON"),
    "json_disagrees": _fault("the JSON says something else than the rest of the sample"),
    "caption_form": _fault("the caption is not in the form of this format: NFC, one line"),
    "json_form": _fault("the JSON is not in the form of this format"),
    "repeated_key": _fault("a key stands in this dataset already"),
}
