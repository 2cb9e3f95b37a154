"""Sources of `webpairs pack`: what each row says, in which order, and what is refused."""

import csv
import hashlib
import json
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pack_files import image_folder, img2dataset_members, jpeg, samples_of, write_tar
from samples_fixture import build_shards
from webpairs_core.errors import PartCorrupt, RecipeError
from webpairs_core.keys import pair_key
from webpairs_core.records import Outcome
from webpairs_pipeline.pack.folder import folder_rows
from webpairs_pipeline.pack.locate import locate, source_facts
from webpairs_pipeline.pack.rows import SourceRow, Unread
from webpairs_pipeline.pack.table import open_table, table_rows
from webpairs_pipeline.pack.webdataset import check_tar, tar_rows

MAX = 1_000_000


def _read(rows: Iterable[Unread]) -> list[SourceRow]:
    return [unread() for unread in rows]


def _folder(folder: Path) -> list[SourceRow]:
    return _read(folder_rows(folder, MAX))


def _tar(path: Path) -> list[SourceRow]:
    return _read(tar_rows(path, MAX))


def _table(path: Path, image: str = "", caption: str = "") -> list[SourceRow]:
    return _read(table_rows(open_table(path, image, caption), MAX))


class TestFolder:
    def test_each_image_has_the_text_beside_it(self, tmp_path: Path) -> None:
        rows = _folder(image_folder(tmp_path, 12, per_folder=5))
        assert [row.text for row in rows] == [f"a picture, number {i}" for i in range(12)]
        assert [row.data for row in rows] == [jpeg(i) for i in range(12)]
        assert {row.refused for row in rows} == {None}

    def test_a_json_beside_it_is_known_or_extra(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"x")
        (tmp_path / "a.txt").write_bytes("\ufeffcafe\u0301  &amp; tea\r\n".encode())
        known = {
            "url": "HTTP://A.example/x y.png",
            "license_url": "https://l.example",
            "lang": "fr",
        }
        (tmp_path / "a.json").write_text(json.dumps(known | {"score": 0.5, "none": None}))
        (row,) = _folder(tmp_path)
        assert row.text == "café & tea"
        assert row.facts.url == "http://a.example/x%20y.png"
        assert (row.facts.license_url, row.facts.lang) == ("https://l.example", "fr")
        assert json.loads(row.facts.extra) == {"score": 0.5}

    def test_a_caption_may_stand_in_the_json(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_bytes(b"x")
        (tmp_path / "a.json").write_text('{"caption": "a kite", "text": "another"}')
        (row,) = _folder(tmp_path)
        assert (row.text, row.facts.extra) == ("a kite", '{"text":"another"}')

    def test_what_cannot_be_used_is_counted(self, tmp_path: Path) -> None:
        names = ("bare", "blank", "latin", "broken", "large")
        for name in names:
            (tmp_path / f"{name}.jpg").write_bytes(b"x" * (MAX + 1 if name == "large" else 5))
            (tmp_path / f"{name}.txt").write_text("a text")
        (tmp_path / "bare.txt").unlink()
        (tmp_path / "blank.txt").write_text(" \n")
        (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
        (tmp_path / "broken.json").write_text("{")
        found = {Path(row.place).stem: row.refused for row in _folder(tmp_path)}
        assert found == {
            "bare": Outcome.NO_CAPTION,
            "blank": Outcome.NO_CAPTION,
            "latin": Outcome.BAD_ROW,
            "broken": Outcome.BAD_ROW,
            "large": Outcome.TOO_LARGE,
        }

    def test_links_stay_inside_and_no_pipe_is_opened(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside.jpg"
        outside.write_bytes(jpeg(1))
        folder = image_folder(tmp_path / "in", 1)
        for name in ("away", "inside", "pipe", "device", "gone", "text"):
            (folder / f"{name}.txt").write_text(name)
        (folder / "away.jpg").symlink_to(outside)
        (folder / "inside.jpg").symlink_to("class 0/0000.jpg")
        (folder / "gone.jpg").symlink_to("nothing.jpg")
        (folder / "device.jpg").symlink_to("/dev/zero")
        os.mkfifo(folder / "pipe.jpg")
        (folder / "text.jpg").write_bytes(b"x")
        (folder / "text.txt").unlink()
        (folder / "text.txt").symlink_to(tmp_path / "outside.jpg")
        (folder / "round").symlink_to(folder)
        found = {Path(row.place).stem: row.refused for row in _folder(folder)}
        assert found == {
            "0000": None,
            "away": Outcome.OUTSIDE_SOURCE,
            "inside": None,
            "pipe": Outcome.MISSING_FILE,
            "device": Outcome.OUTSIDE_SOURCE,
            "gone": Outcome.MISSING_FILE,
            "text": Outcome.OUTSIDE_SOURCE,
        }

    def test_a_name_that_is_no_utf8(self, tmp_path: Path) -> None:
        for ending in ("jpg", "txt"):
            (tmp_path / os.fsdecode(b"caf\xe9")).with_suffix(f".{ending}").write_bytes(b"text")
        (row,) = _folder(tmp_path)
        assert (row.text, Path(row.place).name) == ("text", "caf?.jpg")


class TestTable:
    def _images(self, folder: Path) -> None:
        image_folder(folder, 3)

    @pytest.mark.parametrize(
        ("name", "image", "caption"),
        [
            ("t.csv", "file_name", "text"),
            ("t.csv", "Image_Path", "TEXT"),
            ("t.tsv", "path", "caption"),
            ("metadata.jsonl", "file_name", "text"),
            ("t.parquet", "image", "alt"),
            ("open_clip.csv", "filepath", "title"),
        ],
    )
    def test_the_usual_names(self, tmp_path: Path, name: str, image: str, caption: str) -> None:
        self._images(tmp_path)
        rows = [
            {
                "n": i,
                image: f"class 0/{i:04d}.jpg",
                caption: f"words, {i}",
                "url": "http://a.example",
            }
            for i in range(3)
        ]
        path = tmp_path / name
        if name.endswith("jsonl"):
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        elif name.endswith("parquet"):
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            tabs = name.startswith("open_clip") or name.endswith("tsv")
            with path.open("w", newline="") as file:
                # open_clip calls tables with tabs .csv; a comma in the first line would deny it
                writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if tabs else ",")
                writer.writeheader()
                writer.writerows(rows)
        found = _table(path)
        assert [row.text for row in found] == ["words, 0", "words, 1", "words, 2"]
        assert [row.data for row in found] == [jpeg(i) for i in range(3)]
        assert {row.facts.url for row in found} == {"http://a.example/"}
        assert [int(json.loads(row.facts.extra)["n"]) for row in found] == [0, 1, 2]

    def test_paths_stay_inside_and_absolute_ones_are_followed(self, tmp_path: Path) -> None:
        self._images(tmp_path / "t")
        (tmp_path / "out.jpg").write_bytes(jpeg(9))
        (tmp_path / "t/link").symlink_to(tmp_path)
        paths = ["../out.jpg", str(tmp_path / "out.jpg"), "link/out.jpg", "no.jpg", "", "/dev/zero"]
        paths += ["class 0/../../out.jpg", "class 0", "a\0b"]
        lines = [json.dumps({"path": path, "text": "words"}) for path in paths]
        (tmp_path / "t/t.jsonl").write_text("\n".join([*lines, "{", '{"path": [1], "text": "a"}']))
        found = [row.refused for row in _table(tmp_path / "t/t.jsonl")]
        assert sorted(map(str, found)) == sorted(
            ["None"] + ["outside_source"] * 3 + ["missing_file"] * 5 + ["bad_row"] * 2
        )
        assert found[1] is None

    def test_columns_that_are_not_there_are_named(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("foo,caption\n1,2\n")
        (tmp_path / "b.csv").write_text("path,bar\n1,2\n")
        (tmp_path / "c.csv").write_text("path,caption\n")
        with pytest.raises(
            RecipeError, match=r"image paths .* only foo, caption: .*--image-column"
        ):
            _table(tmp_path / "a.csv")
        with pytest.raises(RecipeError, match=r"captions .* only path, bar: .*--caption-column"):
            _table(tmp_path / "b.csv")
        with pytest.raises(RecipeError, match="no row"):
            _table(tmp_path / "c.csv")
        with pytest.raises(RecipeError, match="no column 'x', only path, bar"):
            _table(tmp_path / "b.csv", caption="x")
        assert [row.text for row in _table(tmp_path / "b.csv", caption="bar")] == [""]


class TestTar:
    def test_img2dataset(self, tmp_path: Path) -> None:
        rows = _tar(write_tar(tmp_path / "0.tar", img2dataset_members(range(3))))
        assert [row.text for row in rows] == [f"picture {i} of the web" for i in range(3)]
        assert [row.data for row in rows] == [jpeg(i) for i in range(3)]
        facts = rows[1].facts
        assert (facts.key, facts.url) == (b"", "http://host1.example/1.jpg")
        assert (facts.original, facts.sha256) == ((640, 480), f"{1:064x}")
        extra = json.loads(facts.extra)
        assert extra["key"] == "000000001"
        assert "caption" not in extra

    def test_our_own_say_all_they_said(self, tmp_path: Path) -> None:
        shards = build_shards(tmp_path, 20, samples_per_shard=20)
        written = samples_of(shards)
        for row in _tar(shards / "shard-000000.tar"):
            said = written[row.facts.key.hex()]
            for name in ("url", "page_url", "page_lang", "lang", "lang_score", "sha256", "extra"):
                assert getattr(row.facts, name) == said[name]
            assert row.text == said["caption"]
            assert row.facts.text_source == said["text_source"]
            assert row.facts.original == (said["original_width"], said["original_height"])
            assert f"{row.facts.phash:016x}" == said["phash"]

    def test_names_with_dots_and_other_orders(self, tmp_path: Path) -> None:
        members = [
            (f"img.{i}.{end}", end.encode()) for i in range(3) for end in ("json", "jpg", "txt")
        ]
        members = [(name, b"{}" if data == b"json" else data) for name, data in members]
        rows = _tar(write_tar(tmp_path / "a.tar", members))
        assert [(row.text, row.data, row.refused) for row in rows] == [("txt", b"jpg", None)] * 3
        members = [
            ("a.input.jpg", b"1"),
            ("a.caption.txt", b"one"),
            ("b.txt", b"two"),
            ("b.png", b"2"),
        ]
        rows = _tar(write_tar(tmp_path / "b.tar", members))
        assert [(row.text, row.data) for row in rows] == [("one", b"1"), ("two", b"2")]

    def test_what_climbs_or_is_no_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tar"
        with tarfile.open(path, "w") as tar:
            for name, kind in (
                ("../up.jpg", tarfile.REGTYPE),
                ("/etc/passwd.jpg", tarfile.REGTYPE),
                ("a/../../b.jpg", tarfile.REGTYPE),
                ("link.jpg", tarfile.SYMTYPE),
                ("pipe.jpg", tarfile.FIFOTYPE),
                ("device.jpg", tarfile.CHRTYPE),
                ("only.txt", tarfile.REGTYPE),
                ("bare.jpg", tarfile.REGTYPE),
            ):
                member = tarfile.TarInfo(name)
                member.type, member.linkname = (
                    kind,
                    "/etc/passwd" if kind == tarfile.SYMTYPE else "",
                )
                tar.addfile(member)
        assert [row.refused for row in _tar(path)] == [
            *[Outcome.OUTSIDE_SOURCE] * 3,
            *[Outcome.MISSING_FILE] * 4,
            Outcome.NO_CAPTION,
        ]

    def test_a_cut_anywhere_is_found(self, tmp_path: Path) -> None:
        whole = write_tar(tmp_path / "a.tar", img2dataset_members(range(3))).read_bytes()
        end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
        path = tmp_path / "cut.tar"
        for at in (*range(100, end, 700), *range(512, end + 1, 512)):
            path.write_bytes(whole[:at])
            with pytest.raises(PartCorrupt, match=r"cut\.tar"):
                _tar(path)
        path.write_bytes(whole + whole)  # what stands behind the end would be lost
        with pytest.raises(PartCorrupt):
            _tar(path)
        damaged = bytearray(whole)
        damaged[3072 + 148 : 3072 + 156] = b"\xff" * 8
        path.write_bytes(damaged)
        with pytest.raises(PartCorrupt):
            _tar(path)

    @pytest.mark.parametrize("data", [b"", b"no tar at all" * 100, bytes(10240)])
    def test_what_is_no_tar_is_seen_at_once(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "a.tar").write_bytes(data)
        with pytest.raises(PartCorrupt, match=r"a\.tar"):
            check_tar(tmp_path / "a.tar")


class TestLocate:
    def test_tars_before_tables_before_images(self, tmp_path: Path) -> None:
        image_folder(tmp_path, 2)
        (tmp_path / "other.csv").write_text("a,b\n")
        assert [source.kind for source in locate([tmp_path])] == ["folder"]
        (tmp_path / "class 0/metadata.csv").write_text("file_name,text\n")
        assert [source.path.name for source in locate([tmp_path])] == ["metadata.csv"]
        write_tar(tmp_path / "b.tar", [])
        write_tar(tmp_path / "a.tar", [])
        assert [source.path.name for source in locate([tmp_path])] == ["a.tar", "b.tar"]

    def test_what_cannot_be_packed(self, tmp_path: Path) -> None:
        with pytest.raises(RecipeError, match="there is no"):
            locate([tmp_path / "nothing"])
        with pytest.raises(RecipeError, match="holds no image"):
            locate([tmp_path])
        (tmp_path / "a.doc").write_text("")
        with pytest.raises(RecipeError, match="no known kind"):
            locate([tmp_path / "a.doc"])
        for name in ("a.tgz", "a.tar.gz"):
            (tmp_path / name).write_text("")
            with pytest.raises(RecipeError, match="unpack it"):
                locate([tmp_path / name])
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(RecipeError, match="neither"):
            locate([tmp_path / "pipe"])
        (tmp_path / "run/commits").mkdir(parents=True)
        with pytest.raises(RecipeError, match=r"give the shards in it"):
            locate([tmp_path])

    def test_a_changed_caption_is_a_changed_source(self, tmp_path: Path) -> None:
        before = source_facts([image_folder(tmp_path, 3)])
        assert source_facts([tmp_path]) == before
        (tmp_path / "class 0/0001.txt").write_text("another caption")
        assert source_facts([tmp_path]) != before


def test_a_path_never_decides_the_key(tmp_path: Path) -> None:
    from webpairs_pipeline.pack.part import PackedRow
    from webpairs_shards.image.processed import Processed

    (row,) = _folder(image_folder(tmp_path, 1))
    sha256 = hashlib.sha256(row.data).hexdigest()
    packed = PackedRow(
        unit="",
        place=row.place,
        text=row.text,
        facts=row.facts,
        n_bytes=1,
        sha256=sha256,
        processed=Processed(outcome=Outcome.OK),
    )
    assert packed.key == pair_key(sha256, row.text)
