"""XMP packets made to cost time: each is read once, however its properties nest and repeat."""

from rights_files import packet
from webpairs_shards.image.xmp import read_xmp


def test_a_property_inside_a_property_is_read_with_the_outer_one() -> None:
    nested = "<dc:creator>Ann <dc:creator>Lee</dc:creator></dc:creator>"
    assert read_xmp([packet(elements=nested)]).creator == "Ann Lee"


def test_properties_nested_around_a_wide_tree_are_walked_once() -> None:
    # One walk for each level took 48 s.
    bomb = "<dc:creator>" * 200 + "<dc:x/>" * 400_000 + "</dc:creator>" * 200
    mining = "<plus:DataMining>DMI-PROHIBITED</plus:DataMining>"
    read = read_xmp([packet(elements=mining + bomb)] * 2)
    assert (read.creator, read.data_mining) == ("", ("DMI-PROHIBITED",))


def test_of_one_property_a_hundred_values_count() -> None:
    many = "".join(f"<dc:creator>a{i}</dc:creator>" for i in range(15_000))
    names = read_xmp([packet(elements=many)]).creator.split("; ")
    assert names == [f"a{i}" for i in range(100)]


def test_a_long_value_is_cut() -> None:
    long = f"<dc:creator>{'x' * 1_000_000}</dc:creator>"
    assert len(read_xmp([packet(elements=long)]).creator) == 10_000


def test_the_denial_in_a_broken_packet_is_found_once_for_each_name() -> None:
    broken = b"<x " + b"DataMining" * 300_000 + b" DMI-PROHIBITED"
    assert read_xmp([broken]).data_mining == ("DMI-PROHIBITED",)
    assert read_xmp([b"<x DataMining" + b" " * 500 + b"DMI-PROHIBITED"]).data_mining == ()


def test_very_many_attributes_are_not_looked_up_each() -> None:
    # 300,000 took five minutes: the time grew with the square of their number.
    many = " ".join(f'a{i}="1"' for i in range(300_000))
    made = packet(elements=f"<rdf:li {many} dc:creator='Ann'/>")
    assert read_xmp([made]).creator == "Ann"
