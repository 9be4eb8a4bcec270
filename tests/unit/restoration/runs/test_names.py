import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.restoration.runs import names

part = st.binary(min_size=1, max_size=40).filter(lambda b: b"/" not in b and b"\0" not in b).map(os.fsdecode)
path = st.lists(part, min_size=1, max_size=3).map("/".join)


@given(path)
def test_encoding_is_reversible_and_plain(name):
    encoded = names.encode(name)
    assert names.decode(encoded) == name
    encoded.encode("utf-8")  # no surrogates are left
    assert encoded.isprintable() or not any(ord(c) < 32 or ord(c) == 127 for c in encoded)


@given(path, path)
def test_two_names_never_become_one(first, second):
    assert (names.output_name(first) == names.output_name(second)) == (first == second)


def test_an_ordinary_name_stays():
    name = "Saal 3/Die Mühle (recto).tif"
    assert names.output_name(name) == name


@pytest.mark.parametrize("letter", ["a", "é", "%", "\n", "\udcff"])
def test_a_long_name_fits_a_file_system_with_its_suffixes(letter):
    count = 251 // len(os.fsencode(letter))
    one, other = (names.output_name(letter * (count - n) + "b" * n + ".tif") for n in (1, 2))
    assert one != other
    for name in (one, other):
        assert len(f"{name}.tif.json".encode()) <= 255
        assert name.endswith(".tif")
