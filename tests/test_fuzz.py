"""A short run of each fuzzer; ``python -m tests.fuzz`` runs them for as long as you like."""

from collections import Counter

import pytest

from tests.conftest import PURE
from tests.fuzz import TARGETS, FaultError, pickles, run_case
from tests.fuzz.__main__ import main

CASES = {"pickles": 1500, "json_structure": 120, "pngs": 200, "streams": 60, "answers": 600}
# What must come out among others, or the fuzzer has gone blind.
REACHED = {
    "pickles": {"plain: value", "nearly: value", "refused: N at byte N names code"},
    "json_structure": {"coco: row", "coco: broken", "coco: refused", "refer: row"},
    "pngs": {"index: masks", "index: refused", "mask_of: array", "photo: photo"},
    "answers": {"refused", "decoded", "nothing", "problem: truncated", "read as simpleseg"},
    "streams": {"whole", "broken", "nothing", "problem: truncated"},
}


@pytest.mark.parametrize("target", TARGETS)
def test_hostile_inputs_are_read_right_or_refused(target, tmp_path):
    count = CASES[target] // (6 if PURE else 1)
    outcomes = Counter(
        outcome for number in range(count) for outcome in run_case(target, 0, number, tmp_path)
    )
    if not PURE:
        assert set(outcomes) >= REACHED[target]
    assert not list(tmp_path.iterdir())


def test_a_fault_says_how_to_see_it_again(tmp_path, monkeypatch, capsys):
    def case(rng, folder):
        (folder / "x").touch()
        assert rng.random() < 0.7, "too large"
        return ["small"]

    monkeypatch.setattr(pickles, "case", case)
    assert main(["pickles", "--seed", "3", "--cases", "50", "--go-on"]) == 1
    said = capsys.readouterr().out
    assert "faults at test_fuzz.py" in said
    again = said.partition("again: python -m tests.fuzz ")[2].split()
    assert again[:3] == ["pickles", "--seed", "3"]
    with pytest.raises(FaultError, match="AssertionError: too large"):
        run_case("pickles", 3, int(again[4]), tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(FaultError):
        main(again)
    assert main(["pickles", "--seed", "3", "--cases", "50"]) == 1


def test_a_run_counts_what_came_out(capsys):
    assert main(["pickles", "--cases", "20"]) == 0
    assert "20 cases in " in capsys.readouterr().out
    assert main(["pickles", "--seconds", "0.01"]) == 0
    assert main(["pickles", "--case", "0"]) == 0
