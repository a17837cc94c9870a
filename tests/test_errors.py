"""What errors carry, however they are sent, or said of a place."""

import pickle

import pytest

import maskcodec as mc
from maskcodec.cli.messages import option
from maskcodec.data.sources._records import RecordError
from maskcodec.errors import Way, within

WAYS = Way("sampling", "keep", "keeps it"), Way("row_separator", "x", "has it")
LOST = mc.LostMaskError("nothing is left", WAYS)
CUT = mc.TruncatedError("it stops", 7, "truncated", "id", (Way("recover", "", "keeps some"),))


@pytest.mark.parametrize(
    "error",
    [LOST, CUT, mc.ConfigError("no grid", "grid"), RecordError("a.json: image 7", "it is broken")],
)
def test_what_an_error_carries_stays(error):
    sent, placed = pickle.loads(pickle.dumps(error)), within("here", error)
    assert (type(sent), str(sent), vars(sent)) == (type(error), str(error), vars(error))
    assert (type(placed), str(placed)) == (type(error), f"here: {error}")
    assert (placed.ways, placed.args[1:]) == (error.ways, error.args[1:])


def test_ways_out_are_said_in_the_words_of_who_asks():
    assert str(LOST) == ('nothing is left; sampling="keep" keeps it, row_separator="x" has it')
    assert LOST.said(option) == (
        "nothing is left; --sampling keep keeps it, --row-separator x has it"
    )
    assert str(CUT) == "it stops; recover() keeps some (at id 7)"
    assert CUT.said(option) == "it stops; --recover keeps some (at id 7)"
