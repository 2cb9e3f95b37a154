"""What image files say about their rights, in each format and each spelling."""

import io
import random
import struct
from pathlib import Path

import pytest
from PIL import Image

from hostile_web import picture
from rights_files import VOCABULARY, denial, mining, packet, with_c2pa, with_xmp
from webpairs_core.records import Outcome
from webpairs_shards.image.embedded import Embedded, find_embedded
from webpairs_shards.image.process import process_image
from webpairs_shards.image.processed import Rights
from webpairs_shards.image.sniff import sniff
from webpairs_shards.image.xmp import read_xmp
from webpairs_shards.options import ImageSection

KINDS = ["JPEG", "PNG", "WEBP", "GIF", "AVIF"]
SECTION = ImageSection(min_side_px=1, max_aspect=1e6)
PROHIBITED = "DMI-PROHIBITED-AIMLTRAINING"


def rights(data: bytes) -> Rights:
    made = process_image(data, SECTION)
    assert made.outcome is Outcome.OK
    return made.rights


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_is_read(kind: str) -> None:
    assert rights(picture(300, 240, kind)) == Rights()
    said = rights(with_xmp(mining(PROHIBITED), kind))
    assert said.signals == (f"iptc:{PROHIBITED}@image",)


@pytest.mark.parametrize("kind", KINDS)
def test_both_standards_together(kind: str) -> None:
    data = with_c2pa(denial(), kind)
    assert rights(data).signals == ("c2pa:ai_training=notAllowed@image",)
    if kind == "JPEG":
        segment = b"http://ns.adobe.com/xap/1.0/\0" + mining(PROHIBITED)
        both = data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]
        assert len(rights(both).signals) == 2


TERM = f"{VOCABULARY}{PROHIBITED}"


@pytest.mark.parametrize(
    "xmp",
    [
        packet(elements=f"<plus:DataMining>{TERM}</plus:DataMining>"),
        packet(elements=f"<plus:DataMining>\n  {PROHIBITED}\n</plus:DataMining>"),
        packet(elements=f'<plus:DataMining rdf:resource="{TERM}"/>'),
        packet(attributes=f'plus:DataMining="{TERM}"'),
        packet(
            elements=f"<plus:DataMining><rdf:Bag><rdf:li>{TERM}</rdf:li></rdf:Bag>"
            "</plus:DataMining>"
        ),
        mining(PROHIBITED).replace(b"plus:", b"p:").replace(b":plus", b":p"),
        mining(PROHIBITED).decode().encode("utf-16"),
        # broken: no XML, a DTD, cut short
        mining(PROHIBITED).replace(b"</x:xmpmeta>", b""),
        mining(PROHIBITED).replace(b"<rdf:RDF", b"<rdf:RDF <<", 1),
        mining(PROHIBITED)[: mining(PROHIBITED).index(b"</plus")],
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + mining(PROHIBITED),
    ],
    ids=range(11),
)
def test_every_spelling_of_the_denial(xmp: bytes) -> None:
    assert read_xmp([xmp]).data_mining == (PROHIBITED,)


@pytest.mark.parametrize(
    "xmp",
    [
        b"",
        b"\0" * 100,
        b"<x",
        packet(),
        packet(elements="<plus:DataMining/>"),
        packet(elements="<plus:DataMining>nobody knows</plus:DataMining>"),
        packet(elements=f"<dc:title>{PROHIBITED}</dc:title>"),
        mining(PROHIBITED).replace(b"ns.useplus.org/ldf/xmp", b"ns.example.org/ldf/xmp"),
    ],
)
def test_what_says_nothing(xmp: bytes) -> None:
    assert read_xmp([xmp]).data_mining == ()


def test_all_terms_of_all_packets_are_kept() -> None:
    found = read_xmp([mining("DMI-ALLOWED"), mining(PROHIBITED), mining("DMI-ALLOWED")])
    assert found.data_mining == ("DMI-ALLOWED", PROHIBITED)


def alternatives(name: str, *items: tuple[str, str]) -> str:
    said = "".join(f'<rdf:li xml:lang="{lang}">{text}</rdf:li>' for lang, text in items)
    return f"<{name}><rdf:Alt>{said}</rdf:Alt></{name}>"


def test_creator_copyright_and_licence() -> None:
    xmp = packet(
        attributes='xmpRights:WebStatement="https://example.org/terms"',
        elements="<dc:creator><rdf:Seq><rdf:li>Ana  B.</rdf:li><rdf:li>Jo\u202e</rdf:li></rdf:Seq>"
        "</dc:creator>"
        + alternatives("dc:rights", ("fr", "© 2026 tous"), ("x-default", "© 2026 all rights"))
        + '<cc:license rdf:resource="https://creativecommons.org/licenses/by/4.0/"/>',
    )
    said = rights(with_xmp(xmp, "PNG"))
    assert said.creator == "Ana B.; Jo"
    assert said.copyright == "© 2026 all rights"
    assert said.license == "https://creativecommons.org/licenses/by/4.0/"
    assert said.signals == ()


@pytest.mark.parametrize(
    ("elements", "license_"),
    [
        (
            "<xmpRights:WebStatement>https://a.example/</xmpRights:WebStatement>",
            "https://a.example/",
        ),
        (
            "<plus:Licensor><rdf:Seq><rdf:li rdf:parseType='Resource'>"
            "<plus:LicensorURL>https://l.example/</plus:LicensorURL></rdf:li></rdf:Seq>"
            "</plus:Licensor>",
            "https://l.example/",
        ),
        (alternatives("xmpRights:UsageTerms", ("x-default", "Ask first")), "Ask first"),
        ("", ""),
    ],
)
def test_where_a_licence_stands(elements: str, license_: str) -> None:
    assert rights(with_xmp(packet(elements=elements), "JPEG")).license == license_


def test_exif_and_iim_speak_where_xmp_does_not() -> None:
    exif = Image.Exif()
    exif[0x013B], exif[0x8298] = "Ema\0", "Photographer\0Editor"
    stream = io.BytesIO()
    Image.new("RGB", (32, 32)).save(stream, "JPEG", exif=exif)
    only_exif = stream.getvalue()
    said = rights(only_exif)
    assert (said.creator, said.copyright) == ("Ema", "Photographer; Editor")

    name, notice = "Zoë".encode("cp1252"), "© Zoë".encode()
    iim = b"\x1c\x02\x50" + struct.pack(">H", len(name)) + name
    iim += b"\x1c\x02\x74" + struct.pack(">H", len(notice)) + notice
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iim)) + iim + b"\0" * (len(iim) % 2)
    segment = b"Photoshop 3.0\0" + resource
    both = only_exif[:2] + b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment
    said = rights(both + only_exif[2:])
    assert (said.creator, said.copyright) == ("Zoë", "© Zoë")


def test_long_fields_are_cut() -> None:
    said = rights(with_xmp(packet(elements=f"<dc:rights>{'word ' * 9000}</dc:rights>"), "JPEG"))
    assert 290 < len(said.copyright) <= 300


def test_extended_xmp_is_put_together() -> None:
    plain, xmp = picture(), mining(PROHIBITED)
    pieces = b""
    for at in reversed(range(0, len(xmp), 100)):  # in any order
        head = (
            b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32 + struct.pack(">II", len(xmp), at)
        )
        body = head + xmp[at : at + 100]
        pieces += b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    assert rights(plain[:2] + pieces + plain[2:]).signals == (f"iptc:{PROHIBITED}@image",)


class TestHostile:
    def test_entities_are_not_expanded_nor_files_read(self, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("SECRET")
        for declared in (
            '<!ENTITY e "SECRET">',
            f'<!ENTITY e SYSTEM "file://{secret}">',
            "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12)),
        ):
            xmp = f"<!DOCTYPE x [{declared}]>".encode()
            xmp += packet(elements="<dc:rights>&e;&e11;</dc:rights>")
            assert read_xmp([xmp]).copyright == ""

    def test_deep_and_wide_packets_end(self) -> None:
        deep = packet(elements="<dc:x>" * 100_000)
        wide = packet(elements="<dc:x/>" * 300_000 + "<dc:rights>never read</dc:rights>")
        for xmp in (deep, wide):
            assert read_xmp([xmp]).copyright == ""

    def test_a_compressed_bomb_is_not_inflated(self) -> None:
        for n, is_read in ((80_000_000, False), (900_000, True)):
            bomb = packet(elements=" " * n + "<dc:rights>far</dc:rights>")
            assert bool(find_embedded(with_xmp(bomb, "PNG"), "PNG").xmp) is is_read

    @pytest.mark.parametrize("kind", KINDS)
    def test_any_byte_may_lie(self, kind: str) -> None:
        chance = random.Random(kind)
        for whole in (with_xmp(mining(PROHIBITED), kind), with_c2pa(denial(), kind)):
            for _ in range(300):
                data = bytearray(whole)
                for _ in range(chance.randint(1, 8)):
                    data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
                found = find_embedded(bytes(data[: chance.randint(1, len(data))]), kind)
                read_xmp(found.xmp)
                assert sum(map(len, (*found.xmp, *found.jumbf))) <= 2 * len(data)

    def test_no_image_has_no_packets(self) -> None:
        for kind in (*KINDS, "BMP", "nonsense"):
            for data in (
                b"",
                b"\xff\xd8\xff",
                b"\0" * 64,
                b"\xff" * 5000,
                b"RIFF\xff\xff\xff\xffWEBP",
            ):
                assert find_embedded(data, kind) == Embedded()


def test_real_files(data_dir: Path) -> None:
    folder = data_dir / "hostile/pillow"
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    made = {path.name: process_image(path.read_bytes(), SECTION) for path in files}
    said = {name: each.rights for name, each in made.items() if each.rights != Rights()}
    assert said == {
        "broken_exif_dpi.jpg": Rights("Ross_Pushinaitis", "Ross_Pushinaitis"),
        "invalid-exif-without-x-resolution.jpg": Rights("JOE STEMMER PHOTO"),
    }


def test_real_packets_are_found(data_dir: Path) -> None:
    folder = data_dir / "hostile/pillow"
    names = ("xmp_padded.jpg", "avif/xmp_tags_orientation.avif", "flower2.webp", "color_snakes.png")
    for name in names:
        data = (folder / name).read_bytes()
        [xmp] = find_embedded(data, sniff(data) or "").xmp
        assert b"<x:xmpmeta" in xmp
