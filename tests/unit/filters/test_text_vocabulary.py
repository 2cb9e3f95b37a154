import json
from pathlib import Path

import pytest

from pairs_fixture import batch_of, make_pair
from user_files import list_file
from webpairs_filters.base import PairFilter
from webpairs_filters.text.vocabulary import BlockedWords, CommonWords, RareWords, StopWords

BAD = list_file("# mine", "", "Darn", "holy  cow", "cow bell", "死ね")
COMMON = list_file("a", "dog", "on", "the", "bed")
COUNTS = list_file("a\t900", "dog\t20", "Bed\t3", "bed\t2", "on\t500", "zygote\t4")
STOP, FEW, BLOCKED, RARE = (
    "text_few_stop_words",
    "text_few_common_words",
    "text_blocked_words",
    "text_rare_words",
)


@pytest.mark.parametrize(
    ("each", "text", "reason"),
    [
        (StopWords(), "", None),
        (StopWords(), "a dog on the bed", None),
        (StopWords(), "red dog brown bed cheap sale", STOP),
        (StopWords(), "it isn’t that", None),
        (StopWords(words=COMMON, min_share=1.0), "the dog", None),
        (StopWords(words=COMMON), "it was that", STOP),
        (CommonWords(words=COMMON), "A dog on the bed", None),
        (CommonWords(words=COMMON), "A dog on the sofa", None),  # 4 of 5
        (CommonWords(words=COMMON), "dog on a sofa", FEW),
        (BlockedWords(words=BAD), "DARN!", BLOCKED),
        (BlockedWords(words=BAD), "darned", None),
        (BlockedWords(words=BAD), "a holy, cow", BLOCKED),
        (BlockedWords(words=BAD), "holy cows", None),
        (BlockedWords(words=BAD), "请死ね", BLOCKED),
        (BlockedWords(words=BAD), "死", None),
        (BlockedWords(words=BAD, max_share=0.5), "one holy cow bell two three", None),  # 3 of 6
        (BlockedWords(words=BAD, max_share=0.5), "holy cow bell two three", BLOCKED),
        (RareWords(counts=COUNTS), "a dog on bed", None),  # bed: 3 and 2
        (RareWords(counts=COUNTS), "a zygote", RARE),
        (RareWords(counts=COUNTS, min_count=4), "a zygote", None),
        (RareWords(counts=COUNTS), "a xylophone", RARE),
        (RareWords(counts=COUNTS, max_share=0.5), "a xylophone", None),
        (RareWords(counts=COUNTS), "!!!", None),
    ],
)
def test_vocabulary(each: PairFilter, text: str, reason: str | None) -> None:
    assert each.reject(make_pair(text)) == reason
    batch = batch_of([make_pair("zz"), make_pair(text)])
    assert each.reject_batch(batch).to_pylist()[1] == reason


def test_english_captions_have_stop_words_and_keywords_have_none(data_dir: Path) -> None:
    lines = (data_dir / "emoji" / "noto" / "captions.jsonl").read_text(encoding="utf-8")
    names = [json.loads(line)["en"] for line in lines.splitlines()]
    keywords = [make_pair(name) for name in names if "of" not in name and len(name.split()) == 2]
    sentences = [make_pair(f"This is the picture of a {pair.text}.") for pair in keywords]
    assert StopWords().reject_batch(batch_of(sentences)).null_count == len(sentences) > 500
    assert StopWords().reject_batch(batch_of(keywords)).null_count < 0.2 * len(keywords)
