"""Pickles of plain data, and those that are anything else."""

import pickle
import struct
import tracemalloc
from collections import OrderedDict
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskcodec.data._pickle import read_pickle
from maskcodec.errors import SourceError
from tests.refer_fixtures import python2

ONLY = "only plain data is read: lists, dicts, text and numbers"

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


def refusal(data):
    with pytest.raises(SourceError) as caught:
        read_pickle(data, "refs(unc).p")
    message = str(caught.value)
    assert message.startswith("refs(unc).p: ")
    return message.removeprefix("refs(unc).p: ")


class Hostile:
    """Its pickle calls something."""

    def __init__(self, *made):
        self.made = made

    def __reduce__(self):
        return self.made


@given(plain, st.integers(0, 5))
def test_plain_data_comes_back_from_every_protocol(value, protocol):
    assert read_pickle(pickle.dumps(value, protocol), "x") == value


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_byte_strings_of_python_2_become_text(protocol):
    value = [{"sent": 'l\'homme "à" gauche\\\n', "ids": [1, -2], "box": []}, "\t\x00"]
    assert read_pickle(python2(value, protocol), "x") == value


def test_bytes_that_are_not_utf_8_are_latin_1():
    assert read_pickle(b"S'caf\\xe9'\n.", "x") == "café"
    assert read_pickle(b"U\x04caf\xe9.", "x") == "café"
    assert read_pickle(b"T\x05\0\0\0caf\xc3\xa9.", "x") == "café"


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_bytes_and_tuples_become_text_and_lists(protocol):
    value = [b"dog", (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]
    read = read_pickle(pickle.dumps(value, protocol), "x")
    assert read == ["dog", [], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"I01\n.", True),
        (b"I00\n.", False),
        (b"L-12L\n.", -12),
        (b"L12\n.", 12),
        (b"F1.5\n.", 1.5),
        (b"Vcaf\\u00e9\n.", "café"),
        (b"(lp3\n.", []),
        (b"\x8d\x03\0\0\0\0\0\0\0dog.", "dog"),
        (b"\x8e\x03\0\0\0\0\0\0\0dog.", "dog"),
        (b"](K\x01r\xff\xff\xff\xffj\xff\xff\xff\xffe.", [1, 1]),
        (b"(U\x01aK\x01d.", {"a": 1}),
        (b"N.what follows is not looked at", None),
    ],
)
def test_single_opcodes(data, value):
    read = read_pickle(data, "x")
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [
        Hostile(eval, ("open('hacked', 'w')",)),
        Hostile(partial(print, "x"), ()),
        OrderedDict(a=1),
        {1, 2},
        frozenset([1]),
        bytearray(b"x"),
        complex(1, 2),
        len,
        Hostile,
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_is_no_plain_data_is_refused(value, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = refusal(pickle.dumps([{"sent": value}], protocol))
    assert message.endswith(f"; {ONLY}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"cos\nsystem\n(S'touch hacked'\ntR.",
            f"GLOBAL b'os system' at byte 0 names code; {ONLY}",
        ),
        (b"(S'ls'\nios\nsystem\n.", f"INST b'os system' at byte 7 names code; {ONLY}"),
        (b"\x8c\x02os\x8c\x06system\x93.", f"STACK_GLOBAL at byte 12 names code; {ONLY}"),
        (b"N)R.", f"REDUCE at byte 2 runs code; {ONLY}"),
        (b"N)\x81.", f"NEWOBJ at byte 2 runs code; {ONLY}"),
        (b"N)}\x92.", f"NEWOBJ_EX at byte 3 runs code; {ONLY}"),
        (b"](No.", f"OBJ at byte 3 runs code; {ONLY}"),
        (b"]}b.", f"BUILD at byte 2 runs code; {ONLY}"),
        (b"\x82\x01.", f"EXT1 at byte 0 names code; {ONLY}"),
        (b"\x83\x01\0.", f"EXT2 at byte 0 names code; {ONLY}"),
        (b"\x84\x01\0\0\0.", f"EXT4 at byte 0 names code; {ONLY}"),
        (b"Pmodel\n.", f"PERSID at byte 0 points outside of the file; {ONLY}"),
        (b"NQ.", f"BINPERSID at byte 1 points outside of the file; {ONLY}"),
        (b"\x97.", f"NEXT_BUFFER at byte 0 points outside of the file; {ONLY}"),
        (b"\x8f.", f"EMPTY_SET at byte 0 makes something else; {ONLY}"),
        (
            b"\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
            f"BYTEARRAY8 at byte 0 makes something else; {ONLY}",
        ),
        (b"\x8b\xff\xff\xff\x7f.", f"LONG4 at byte 0 makes something else; {ONLY}"),
        (b"NN0.", f"POP at byte 2 makes something else; {ONLY}"),
        (b"version https://git-lfs", "0x76 at byte 0 is no opcode: this is no pickle"),
        (b"\xff", "0xff at byte 0 is no opcode: this is no pickle"),
        (b"", "stops in the middle: it has 0 bytes and no end"),
        (b"](K\x01", "stops in the middle: it has 4 bytes and no end"),
        (b"S'dog", "stops in the middle: it has 5 bytes and no end"),
        (b"cos\nsys", f"GLOBAL b'os sys' at byte 0 names code; {ONLY}"),
        (b"X\xff\xff\xff\x7fdog.", "stops in the middle: it has 9 bytes and no end"),
        (b"\x8d" + b"\xff" * 8 + b"dog.", "BINUNICODE8 at byte 0 cannot be read: "),
        (b"\x8e" + b"\xff" * 8 + b"dog.", "BINBYTES8 at byte 0 cannot be read: "),
        (b"\x80\x04\x95" + b"\xff" * 8 + b"N.", "stops in the middle: it has 13 bytes and no end"),
        (b"\x80\x06N.", "PROTO at byte 0 cannot be read: unsupported pickle protocol: 6"),
        (
            b"Idog\n.",
            "INT at byte 0 cannot be read: invalid literal for int() with base 10: b'dog'",
        ),
        (b"Sdog\n.", "STRING at byte 0 cannot be read: "),
        (b"S'dog\"\n.", "STRING at byte 0 cannot be read: "),
        (b"S'\\q'\n.", "STRING at byte 0 cannot be read: "),
        (b"S'\\x4'\n.", "STRING at byte 0 cannot be read: "),
        (b".", "STOP at byte 0 leaves 0 values, expected is one"),
        (b"NN.", "STOP at byte 2 leaves 2 values, expected is one"),
        (b"(N.", "STOP at byte 2 leaves 1 value, expected is one"),
        (b"a.", "APPEND at byte 0 cannot be read: "),
        (b"]N(s.", "SETITEM at byte 3 cannot be read: "),
        (b"q\x00.", "BINPUT at byte 0 cannot be read: "),
        (b"N\x86.", "TUPLE2 at byte 1 cannot be read: "),
        (b"(e.", "APPENDS at byte 1 cannot be read: "),
        (b"e.", "APPENDS at byte 0 cannot be read: "),
        (b"g7\n.", "GET at byte 0 cannot be read: Memo value not found at index 7"),
        (b"h\x07.", "BINGET at byte 0 cannot be read: Memo value not found at index 7"),
        (b"NNa.", "APPEND at byte 2 cannot be read: 'NoneType' object has no attribute"),
        (b"N(Ne.", "APPENDS at byte 3 cannot be read: 'NoneType' object has no attribute"),
        (b"]NNs.", "SETITEM at byte 3 cannot be read: a key must be text, got None"),
        (b"](NNu.", "SETITEMS at byte 4 cannot be read: a key must be text, got None"),
        (b"}(NNu.", "SETITEMS at byte 4 cannot be read: a key must be text, got None"),
        (b"}]Ns.", "SETITEM at byte 3 cannot be read: a key must be text, got []"),
        (b"(Nd.", "DICT at byte 2 cannot be read: a key must be text, got None"),
        (b"(U\x01ad.", "DICT at byte 4 cannot be read: "),
        (b"]U\x01aNs.", "SETITEM at byte 5 cannot be read: "),
        (b"I0x10\n.", "INT at byte 0 cannot be read: "),
    ],
)
def test_hostile_and_broken_pickles(data, message):
    assert refusal(data).startswith(message)


def test_numbers_of_thousands_of_digits_are_refused():
    assert refusal(b"I" + b"7" * 10_000 + b"\n.").startswith("INT at byte 0 cannot be read: ")


def test_broken_unicode_is_refused():
    assert refusal(b"\x8c\x01\xff.").startswith("SHORT_BINUNICODE at byte 0 cannot be read: ")
    assert refusal(b"V\\u00\n.").startswith("UNICODE at byte 0 cannot be read: ")


def laughs(times):
    """Lists of ten times the list before: 10 ** times values in 23 bytes each."""
    data = b"]q\x00"
    for k in range(times):
        data += b"](" + b"h" + bytes([k]) + (b"h" + bytes([k])) * 9 + b"eq" + bytes([k + 1])
    # Each level is left on the stack: what keeps it is one list around them.
    return b"(" + data + b"l."


def test_a_billion_laughs_is_refused():
    message = "unfolds to more values than it has bytes: its lists are used many times"
    assert refusal(laughs(9)) == message
    wide = b"(" + b"]q\x00(" + b"K\x07" * 500 + b"e" + b"](" + b"h\x00" * 500 + b"el."
    assert refusal(wide) == message


def test_a_list_may_be_used_twice():
    assert read_pickle(b"(]q\x00K\x05ah\x00h\x00l.", "x") == [[5], [5], [5]]


def test_nesting_is_bounded():
    assert read_pickle(b"(l" * 20 + b"a" * 19 + b".", "x")
    assert read_pickle(b"(l" * 20 + b"K\x07" + b"a" * 20 + b".", "x")
    assert refusal(b"(l" * 22 + b"a" * 21 + b".") == "is nested deeper than 20"
    assert refusal(b"(l" * 20_000 + b"a" * 19_999 + b".") == "is nested deeper than 20"


def test_what_holds_itself_is_refused():
    assert refusal(b"]q\x00h\x00a." + b" " * 50) == "is nested deeper than 20"
    assert refusal(b"}q\x00U\x01ah\x00s." + b" " * 50) == "is nested deeper than 20"
    assert refusal(b"]q\x00h\x00a.").startswith("unfolds to more values than it has bytes")


def test_no_more_memory_is_taken_than_a_file_is_worth():
    far = b"N" + b"".join(b"r" + struct.pack("<I", (1 << 32) - 1 - k) for k in range(1000)) + b"."
    tracemalloc.start()
    assert read_pickle(far, "x") is None
    for claim in (b"B\xff\xff\xff\xff", b"\x8e" + b"\xff" * 8, b"\x96" + b"\xff" * 7 + b"\x00"):
        refusal(claim)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    try:
        read_pickle(data, "x")
    except SourceError as error:
        assert str(error).startswith("x: ")


@given(plain, st.integers(0, 5), st.data())
def test_any_cut_is_refused(value, protocol, data):
    whole = pickle.dumps(value, protocol)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(SourceError):
        read_pickle(whole[:cut], "x")
