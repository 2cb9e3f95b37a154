import json
from pathlib import Path

import pytest

from pairs_fixture import batch_of, make_pair
from webpairs_filters.text.junk import TextJunk

FILE_NAMES = """
sunset-2.jpg
DSC_0042
dsc01234
IMG_20240101_123456
IMG-20240101-WA0007
img_1234.JPG
_MG_4711
P1010023
PXL_20210101_123456789
Screen Shot 2015-03-04 at 10.15.23 AM.png
step①：准备米粉.jpg
PrintableOpenSourceWardleyDuncanMap (2).png
DSC_0042 (1)
http://example.org/a
https://example.org/photo
www.example.org/gallery
0123456789abcdef0123456789abcdef
123e4567-e89b-12d3-a456-426614174000
hero_banner_2x
""".strip().splitlines()

BOILERPLATE = """
image
Image
IMAGE 3
image001
photo
[logo]
Logo
The logo.
an image
untitled
Untitled-1
Figure 12
"alt text"
Alt Text
placeholder...
img
n/a
사진
이미지 1
画像
图片
Foto
Фото
""".strip().splitlines()

WORDS = """
a photo of a dog
image of the Moon's far side
Logo of the city of Paris
Figure 3: the parts of a cell
Raspberry Pi 4
18F team photo
Scan of a letter from 1848
IMG Academy campus
2015년에 찍은 사진
上汤娃娃菜
凉拌鸡丝_细丝
P10 road sign
cover crops in spring
no images of birds
the blank page before the story
imageless
""".strip().splitlines()


@pytest.mark.parametrize(
    ("texts", "reason"),
    [(FILE_NAMES, "text_file_name"), (BOILERPLATE, "text_boilerplate"), (WORDS, None)],
)
def test_junk_is_told_from_words(texts: list[str], reason: str | None) -> None:
    found = {text: TextJunk().reject(make_pair(text)) for text in texts}
    assert found == dict.fromkeys(texts, reason)
    batch = batch_of([make_pair(text) for text in texts])
    assert TextJunk().reject_batch(batch).to_pylist() == [reason] * len(texts)


def test_a_very_long_text_is_judged_at_once() -> None:
    n = 50_000
    heads = ("", "img", "image", "image 1", "P", "http://", "1", "0" * 16)
    bodies = ("_", "1", " ", "#", ".", "a", "- ", "image ", "(1)")
    hostile = [head + body * n + "é" for head in heads for body in bodies]
    batch = batch_of([make_pair(text) for text in hostile])
    plain = [TextJunk().reject(make_pair(text)) for text in hostile]
    assert TextJunk().reject_batch(batch).to_pylist() == plain


def test_no_real_emoji_name_is_junk(data_dir: Path) -> None:
    lines = (data_dir / "emoji" / "noto" / "captions.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in lines.splitlines()]
    names = [row[lang] for row in rows for lang in ("en", "ko", "ja", "zh", "de", "es", "fr")]
    judged = {name: TextJunk().reject(make_pair(name)) for name in names if name}
    assert {name for name, reason in judged.items() if reason} == set()
    assert len(judged) > 5_000
