"""JSON files of any size: the same as `json` finds, wherever the text is cut."""

import json
import os
import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskcodec import SourceError
from maskcodec.data import _jsontext
from maskcodec.data._jsonfile import Stored, entries, id_of, items, lines, shown, whole

values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**20), 10**20),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
        st.just('é犬\\"]},'),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
files = st.dictionaries(
    st.sampled_from(["images", "annotations", "info", "é", ""]),
    st.one_of(st.lists(values, max_size=4), values),
    max_size=4,
).map(lambda content: {**content, "wanted": [*content.values()], "also": []})


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("json") / "file.json"


@given(files, st.integers(1, 9), st.sampled_from([None, 1]), st.booleans())
def test_lists_are_what_json_finds(path, content, chunk, indent, plain):
    path.write_text(json.dumps(content, indent=indent, ensure_ascii=plain), encoding="utf-8")
    stored = Stored(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_jsontext, "CHUNK", chunk)
        found = list(entries(path, ["wanted"], ["also"]))
        for entry in found:
            stored.add(entry.start, entry.stop)
    assert [entry.value for entry in found] == content["wanted"]
    assert {entry.key for entry in found} <= {"wanted"}
    backwards = range(len(stored))[::-1]
    assert stored.read(backwards) == content["wanted"][::-1]
    path.write_text(json.dumps(content["wanted"], indent=indent), encoding="utf-8")
    assert [(entry.key, entry.value) for entry in items(path)] == [
        ("", value) for value in content["wanted"]
    ]


@given(files, st.integers(1, 9), st.data())
def test_a_file_that_was_cut_is_refused(path, content, chunk, data):
    text = json.dumps(content)
    path.write_text(text[: data.draw(st.integers(0, len(text) - 1))], encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_jsontext, "CHUNK", chunk)
        with pytest.raises(SourceError, match=r"is not JSON: |but it is nothing"):
            list(entries(path, ["wanted"]))


LINES = "it seems to be JSON Lines, with a value on each line, but one value is expected"
WRONG = [
    (b"[1]", "it must be an object, but it is a list"),
    (b"7", "it must be an object, but it is a number or a word"),
    (b"", "it must be an object, but it is nothing"),
    (b'{"a": "b"}', "its 'a' must be a list, but it is a string"),
    (b'{"a": {}}', "its 'a' must be a list, but it is an object"),
    (b'{"b": []}', "has no list 'a'; expected are a"),
    (b"{}", "has no list 'a'; expected are a"),
    (b'{"a": [1 2]}', "is not JSON: ',' or ']' was expected at byte 9, found '2'"),
    (b'{"a": [1], 2}', "is not JSON: a key was expected at byte 11, found '2'"),
    (b'{"a" [1]}', "is not JSON: ':' was expected at byte 5, found '['"),
    (b'{"a": [1]} x', "is not JSON: the end was expected at byte 11, found 'x'"),
    (
        b'{"a": [' + b"1, " * 20 + b"nul, 3, 4, 5, 6, 7, 8]}",
        "Expecting value at byte 67, found 'n'",
    ),
    (b'{"a": [1, NAN]}', "is not JSON: Expecting value at byte 10, found 'N'"),
    (b'{"b": 1}\n{"b": 2}', f"the end was expected at byte 9, found '{{'; {LINES}"),
    (b"\x1f\x8b\x08\0", "a.json is compressed (gzip): unpack it first"),
    (b"PK\x03\x04", "a.json is compressed (zip): unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a.json is compressed (zstd): unpack it first"),
    ('{"a": []}'.encode("utf-16-be"), "a.json is in UTF-16 or UTF-32: save it as UTF-8, for ex"),
    ('{"a": []}'.encode("utf-16-le"), "a.json is in UTF-16 or UTF-32: save it as UTF-8, for ex"),
    ('{"a": []}'.encode("utf-32"), "a.json is in UTF-16 or UTF-32: save it as UTF-8, for ex"),
    (b'{"a": [' + b"[" * 99_999, "is not JSON: "),
    (b'{"a": [1' + b"0" * 5000 + b"]}", "is not JSON: Exceeds the limit"),
    (b'{"a": [1, "\xff"]}', "the value at byte 10 is not UTF-8: byte 11 is 0xff; save it"),
    (b'{"a": ["x', "is not JSON: Unterminated string starting at byte 7, found '\"'"),
]


@pytest.mark.parametrize(("content", "message"), WRONG)
def test_what_is_no_such_file(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(SourceError) as caught:
        list(entries(tmp_path / "a.json", ["a"]))
    assert str(caught.value).startswith(f"{tmp_path / 'a.json'}")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "hint"), [("{}", ""), ('{"a": 1}\n{"a"', f"; {LINES}"), ('{"a": ', ""), ("{} 1", "")]
)
def test_a_list_must_be_one(tmp_path, text, hint):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(SourceError) as caught:
        list(items(tmp_path / "a.json"))
    assert str(caught.value).endswith(f"a.json: it must be a list, but it is an object{hint}")
    with pytest.raises(SourceError, match=f"^it is not JSON that can be read: Extra.*; {LINES}$"):
        _jsontext.parsed("{}\n{}", "it")


@pytest.mark.parametrize("text", ["[\n{}\n]", "{\n}\n", '[{"a": 1}, {"a": 2}]'])
def test_one_value_is_no_lines(tmp_path, text):
    (tmp_path / "a.jsonl").write_text(f"\n{text}")
    with pytest.raises(SourceError, match="is one JSON value; expected is JSON Lines, an object"):
        list(lines(tmp_path / "a.jsonl"))


def test_a_number_that_is_none_is_only_wrong_where_it_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"x": NaN, "a": [{"area": NaN, "id": 1}, -Infinity]}')
    first, second = (entry.value for entry in entries(tmp_path / "a.json", ["a"]))
    assert id_of(first, "id") == "1"
    assert id_of(first, "area") is id_of({"id": second}, "id") is None
    assert [shown(first["area"]), shown(second), whole(second)] == ["NaN", "-Infinity", second]


def test_the_mark_of_utf_8_is_passed_over(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf["\xc3\xa9"]')
    assert list(items(tmp_path / "a.json")) == [("", 4, 8, "é")]


def test_nothing_is_held_that_does_not_end(tmp_path, monkeypatch):
    monkeypatch.setattr(_jsontext, "CHUNK", 8)
    monkeypatch.setattr(_jsontext, "LARGEST", 64)
    (tmp_path / "a.json").write_text(f'[1, "{"x" * 1000}"]')
    with pytest.raises(SourceError, match="a value does not end within 64 bytes at byte 4"):
        list(items(tmp_path / "a.json"))
    (tmp_path / "a.json").write_text("{}\n" + "x" * 65)
    with pytest.raises(SourceError, match="the line at byte 3 has more than 64 bytes"):
        list(lines(tmp_path / "a.json"))


def test_lines_say_where_they_stand(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf{}\r\n\n  \n[1]")
    assert list(lines(tmp_path / "a.jsonl")) == [(3, 7, 1, b"{}\r\n"), (11, 14, 4, b"[1]")]


def test_a_file_that_changes_is_noticed(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[1, 2]")
    stored = Stored(path)
    for entry in items(path):
        stored.add(entry.start, entry.stop)
    stored = pickle.loads(pickle.dumps(stored))
    assert (len(stored), stored.read([1, 0])) == (2, [2, 1])
    path.write_text("[1, 2 ]")
    with pytest.raises(SourceError, match="has changed since it was first read; start again"):
        stored.read([0])


def test_a_file_must_be_there(tmp_path):
    with pytest.raises(SourceError, match=r"none\.json cannot be read: No such file or directory"):
        list(items(tmp_path / "none.json"))


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes")
def test_a_pipe_cannot_be_read_twice(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match=r"pipe is a pipe, and only a regular file is read: save"):
        list(items(tmp_path / "pipe"))


def test_ids_and_values_as_files_have_them():
    assert [id_of({"id": value}, "id") for value in (7, 7.0, "7", 7.5, True, None, [])] == [
        "7",
        "7",
        "7",
        "7.5",
        None,
        None,
        None,
    ]
    assert id_of({}, "id") is None
    assert [whole(value) for value in (7.0, 7.5, "7.0")] == [7, 7.5, "7.0"]
    assert [shown(value) for value in ([], {}, None, "é", "x" * 99)] == [
        "a list",
        "an object",
        "null",
        '"é"',
        f'"{"x" * 56}...',
    ]


@pytest.mark.parametrize("word", ["dog", "é"])  # the latter is decoded again
def test_members_that_are_nested_too_deep_are_told_from_others(word, path):
    def nested(depth):
        return [] if depth == 1 else [nested(depth - 1)]

    low, high = nested(_jsontext.DEEPEST), nested(_jsontext.DEEPEST + 1)
    wanted = [{"a": word, "low": low, "high": high}, [low, high], "[" * 99, [[]] * 99]
    path.write_text(json.dumps(wanted, ensure_ascii=False), "utf-8")
    deep = _jsontext.Deep()
    found = [entry.value for entry in items(path)]
    assert found == [{"a": word, "low": low, "high": deep}, [low, deep], "[" * 99, [[]] * 99]
    assert shown(pickle.loads(pickle.dumps(deep))) == "a value nested more than 50 deep"


def test_a_file_that_is_nested_without_an_end_is_refused(path):
    path.write_text("[" * 99999)
    with pytest.raises(SourceError, match="is not JSON: a value is nested too deep at byte 1"):
        list(items(path))
    with pytest.raises(SourceError, match=r"^it is nested too deep$"):
        _jsontext.parsed(b"[" * 99999, "it")
