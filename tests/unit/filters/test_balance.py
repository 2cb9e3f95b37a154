import json
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from webpairs_core.errors import NothingLeft, PartCorrupt, RecipeError, StorageError
from webpairs_core.keys import pair_key
from webpairs_filters.balance.corpus import build_entries, count_words
from webpairs_filters.balance.curve import CurvePoint, EntryCount, entry_counts
from webpairs_filters.balance.cutoffs import exact_cutoffs
from webpairs_filters.balance.draw import expected_cutoffs
from webpairs_filters.balance.entries import load_entries, write_entries
from webpairs_filters.balance.match import Matcher
from webpairs_filters.balance.settle import Lottery, Matched, count_corpus, settle
from webpairs_filters.balance.spacing import spaced
from webpairs_filters.options import BalanceRule, BalanceSection


def held(
    entries: list[str], texts: list[str | None], *, ignore_case: bool = True
) -> list[list[str]]:
    matcher = Matcher(entries, ignore_case=ignore_case)
    found = matcher.match(pa.array(texts, pa.string())).to_pylist()
    return [[matcher.entries[number] for number in row] for row in found]


def matched(matcher: Matcher, texts: list[str]) -> Matched:
    keys = [pair_key(f"http://a.test/{i}.jpg", text) for i, text in enumerate(texts)]
    return Matched(pa.array(keys, pa.binary(16)), matcher.match(pa.array(texts, pa.string())))


def judged(texts: list[str], entries: list[str], per_entry: int, rule: BalanceRule) -> list[object]:
    matcher = Matcher(entries)
    some = matched(matcher, texts)
    counts = count_corpus([some], len(matcher.entries))
    settled = settle(lambda: [some], Lottery(matcher.entries, 7), counts, per_entry, rule)
    reasons: list[object] = settled.reasons(some).to_pylist()
    return reasons


@pytest.mark.parametrize(
    ("entry", "text", "is_held"),
    [
        ("york", "A day in New York", True),
        ("york", "Yorkshire", False),
        ("york", "york", True),
        ("new york", "New York, at night", True),
        ("new york", "new, york", False),
        ("york night", "New York. Night", False),
        ("new york", "new\tyork\n", True),
        ("cat", "(cat)", False),  # MetaCLIP: only , . ; : ? ! ` stand alone
        ("cat", "cats", False),
        ("U.S.", "a map of the U.S.A. and the U.S. of old", True),
        ("c++", "learn C++ now", True),
        (".*", "anything", False),
        (".*", "the pattern .* here", True),
        ("[a-z]+", "abc", False),
        ("(a|b)", "pick (a|b) now", True),
        ("東京", "東京タワーの夜", True),
        ("タワー", "東京タワーの夜", True),
        ("ไทย", "ภาษาไทยง่าย", True),
        ("ai技術", "最新のAI技術です", False),  # its first edge is a letter of words with spaces
        ("ai技術", "最新の AI技術です", True),
        ("서울", "서울에서", False),
        ("서울", "서울 야경", True),
        ("caf\u00e9", "a cafe\u0301 in Lyon", True),
        ("cafe\u0301", "a caf\u00e9 in Lyon", True),
        ("Éclair", "un éclair", True),
        ("ΟΔΟΣ", "η οδοσ μου", False),  # a sigma that is not final is another letter
        ("ΟΔΟΣ", "η οδός, οδος, ΟΔΟΣ.", True),
    ],
)
def test_which_texts_hold_an_entry(entry: str, text: str, is_held: bool) -> None:
    assert bool(held([entry], [text])[0]) == is_held


def test_all_overlapping_entries_are_found() -> None:
    entries = ["new york", "york", "new york city", "new", "city of"]
    assert held(entries, ["New York City of lights"]) == [entries]


def test_case_counts_when_told_so() -> None:
    entries = ["Apple", "apple", "Apple"]
    assert held(entries, ["an Apple", "an apple"]) == [["apple"], ["apple"]]
    assert held(entries, ["an Apple", "an apple"], ignore_case=False) == [["Apple"], ["apple"]]


def test_entries_that_look_alike_are_one() -> None:
    assert Matcher(
        ["New  York", "new york", " ", "", "new york ", "caf\u00e9", "cafe\u0301"]
    ).entries == (
        "new york",
        "café",
    )


def test_no_entries_and_no_rows() -> None:
    assert held([], ["a text"]) == [[]]
    assert held(["a"], []) == []
    assert judged([], ["a"], 3, "clip") == []
    assert judged(["a text"], [], 3, "metaclip") == ["no_entry"]


def test_a_null_and_an_empty_text_hold_nothing() -> None:
    assert held(["a", "東"], [None, "", "a", None, "東"]) == [[], [], ["a"], [], ["東"]]


def test_bytes_that_are_no_text_hide_nothing_else() -> None:
    texts = pa.array([b"a dog \xff\xfe", b"\xf0\x9f", b"a dog"], pa.binary())
    as_strings = pa.Array.from_buffers(pa.string(), 3, texts.buffers())
    assert Matcher(["dog"]).match(as_strings).to_pylist() == [[0], [], [0]]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_very_long_texts_and_sliced_arrays(kind: pa.DataType) -> None:
    texts = ["first", "word " * 200_000 + "york", "x" * 1_000_000, "東" * 300_000, "york"]
    matcher = Matcher(["york", "東", "first"])
    whole = matcher.match(pa.array(texts, kind))
    assert whole.to_pylist() == [[2], [0], [], [1], [0]]
    assert matcher.match(pa.array(texts, kind)[1:4]).to_pylist() == [[0], [], [1]]


@pytest.mark.parametrize("lines", ["dog\n\n  New York \r\ndog\n#1 dad\n東京", "\ufeffdog"])
def test_a_list_is_one_entry_a_line(tmp_path: Path, lines: str) -> None:
    path = tmp_path / "entries.txt"
    path.write_bytes(lines.encode())
    found = load_entries(path, ignore_case=False)
    assert found == ("dog", "New York", "#1 dad", "東京")[: len(found)]
    assert len(found) == (4 if "\n" in lines else 1)
    write_entries(tmp_path / "again.txt", found)
    assert load_entries(tmp_path / "again.txt", ignore_case=False) == found


def test_a_list_is_json_as_metaclip_publishes_it(tmp_path: Path) -> None:
    path = tmp_path / "metadata.json"
    path.write_text(json.dumps(["dog", "New York", "Dog", "東京"]))
    assert load_entries(path, ignore_case=True) == ("dog", "new york", "東京")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("list.txt", b"dog\ncat\nb\xfcro\n", "line 3 is not UTF-8 (byte 0xfc)"),
        ("list.json", b'["dog",\n "b\xfcro"]', "line 2 is not UTF-8"),
        ("list.json", b'{"dog": 1}', "not a JSON list of strings"),
        ("list.json", b'["dog", 1]', "not a JSON list of strings"),
        ("list.txt", b"", "holds no entry"),
        ("list.txt", b"\n \n", "holds no entry"),
        ("list.json", b"[]", "holds no entry"),
    ],
)
def test_a_bad_list_is_one_sentence(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(RecipeError) as caught:
        load_entries(path, ignore_case=True)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere\.txt"):
        load_entries(tmp_path / "nowhere.txt", ignore_case=True)


def test_clip_takes_exactly_so_many_and_keeps_the_tail() -> None:
    texts = ["a dog"] * 300 + ["a cat"] * 20 + ["nothing here"] * 5
    reasons = judged(texts, ["dog", "cat"], 100, "clip")
    assert reasons[:300].count(None) == 100
    assert set(reasons[:300]) == {None, "balanced"}
    assert reasons[300:] == [None] * 20 + ["no_entry"] * 5


def test_metaclip_takes_so_many_on_average() -> None:
    n = judged(["a dog"] * 4_000 + ["a cat"] * 1_000, ["dog", "cat"], 1_000, "metaclip")
    # Binomial(4000, 1/4): five standard deviations are 137.
    assert 863 < n[:4_000].count(None) < 1_137
    assert n[:4_000].count(None) != 1_000
    assert set(n[4_000:]) == {None}


def test_one_lucky_entry_is_enough() -> None:
    reasons = judged(["a dog"] * 500 + ["a dog and an okapi"] * 3, ["dog", "okapi"], 10, "clip")
    assert reasons[500:] == [None] * 3


def test_another_seed_is_another_draw() -> None:
    matcher = Matcher(["dog"])
    some = matched(matcher, ["a dog"] * 50)
    drawn = {tuple(Lottery(matcher.entries, seed).draw(some).lots.tolist()) for seed in range(9)}
    assert len(drawn) == 9


def test_lots_are_spread_evenly() -> None:
    matcher = Matcher(["dog", "cat"])
    lots = Lottery(matcher.entries, 0).draw(matched(matcher, ["dog cat"] * 8_000)).lots
    n_each = np.bincount(lots >> np.uint64(60), minlength=16)
    # Chi squared with 15 degrees of freedom passes 45 once in ten thousand times.
    assert ((n_each - 1_000) ** 2 / 1_000).sum() < 45


def test_cutoffs_of_both_rules_spare_the_tail() -> None:
    counts = np.array([0, 4, 5, 6])
    spared = [2**64 - 1] * 3
    assert expected_cutoffs(counts, 5).tolist() == [*spared, (5 * 2**64 - 1) // 6]
    with pytest.raises(AssertionError, match="not those that were counted"):
        exact_cutoffs(counts, 5, lambda: [])


def test_counts_before_and_after() -> None:
    before, after = np.array([9, 0, 2, 2]), np.array([3, 0, 2, 1])
    found = entry_counts(("dog", "emu", "cat", "owl"), before, after, 3)
    assert (found.n_entries, found.n_matched, found.n_head) == (4, 3, 1)
    assert (found.tail_share_before, found.tail_share_after) == (4 / 13, 3 / 6)
    assert found.top == (
        EntryCount(entry="dog", before=9, after=3),
        EntryCount(entry="cat", before=2, after=2),
        EntryCount(entry="owl", before=2, after=1),
    )
    assert found.curve == tuple(
        CurvePoint(n_entries=n, before=b, after=a)
        for n, b, a in [(0, 0, 0), (1, 0, 0), (2, 2, 1), (3, 4, 3), (4, 13, 6)]
    )
    nothing = entry_counts((), np.zeros(0, np.int64), np.zeros(0, np.int64), 3)
    assert (nothing.tail_share_before, nothing.top) == (0.0, ())


def test_the_curve_of_a_long_list_stays_small() -> None:
    n = 5_000
    found = entry_counts(tuple(map(str, range(n))), np.arange(n), np.minimum(np.arange(n), 9), 9)
    assert len(found.curve) == 101
    assert found.curve[-1].before == n * (n - 1) // 2
    assert len(found.top) == 20
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found


def counted(path: Path, texts: list[str]) -> Path:
    count_words([pa.array(texts, pa.string())], path, ignore_case=True)
    return path


def test_a_list_is_built_from_frequent_words_and_bound_bigrams(tmp_path: Path) -> None:
    texts = ["New York at night"] * 30 + [f"the picture {i} of the dog" for i in range(400)]
    part = counted(tmp_path / "0", texts)
    section = BalanceSection(min_count=20, min_pmi=5)
    built = build_entries([part], section, tmp_path)
    assert built[0] == "the"
    assert set(built) >= {"new york", "dog", "york", "york at"}
    assert "the dog" not in built
    assert (
        build_entries([part], BalanceSection(min_count=20, max_entries=2), tmp_path) == (built[:2])
    )


def test_a_corpus_of_rare_words_says_what_to_lower(tmp_path: Path) -> None:
    part = counted(tmp_path / "0", ["a dog", ""])
    for parts in ([], [part], [counted(tmp_path / "1", [])]):
        with pytest.raises(NothingLeft, match="lower \\[balance\\] min_count"):
            build_entries(parts, BalanceSection(), tmp_path)


def many_words(folder: Path) -> list[Path]:
    texts = [f"w{i} w{i * 7919 % 50_000} w{i % 11}" for i in range(120_000)]
    return [counted(folder / "a", texts[:70_000]), counted(folder / "b", texts[70_000:])]


def test_a_list_is_built_under_a_small_memory(tmp_path: Path) -> None:
    parts = many_words(tmp_path)
    section = BalanceSection(min_count=2, min_pmi=1)
    plain = build_entries(parts, section, tmp_path / "spill")
    assert build_entries(parts[::-1], section, tmp_path / "spill", "30MB") == plain
    assert len(plain) > 50_000


def test_too_little_memory_is_a_storage_error(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    spill.write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="more memory or disk than there is") as caught:
        build_entries(many_words(tmp_path), BalanceSection(), spill, "3MB")
    assert "\n" not in str(caught.value)


def test_a_damaged_count_is_named(tmp_path: Path) -> None:
    part = counted(tmp_path / "0", ["a dog"])
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(PartCorrupt, match=str(tmp_path)):
        build_entries([part], BalanceSection(), tmp_path)


def test_real_captions_in_five_scripts_find_their_own_words(data_dir: Path) -> None:
    lines = (data_dir / "emoji" / "noto" / "captions.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in lines.splitlines()]
    names = sorted({row[lang] for row in rows for lang in ("en", "ko", "ja", "zh", "de")} - {""})
    matcher = Matcher(names)
    found = matcher.match(pa.array(names)).to_pylist()
    own = [spaced(name, ignore_case=True) for name in names]
    assert len(names) > 5_000
    assert [
        n for n, row in zip(own, found, strict=True) if matcher.entries.index(n) not in row
    ] == []
