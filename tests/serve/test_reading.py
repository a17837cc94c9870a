"""What is read of a server's answers: recorded shapes, and what no server should send."""

import math

import pytest

from maskcodec.errors import ConfigError, ServerError
from maskcodec.serve import Reader, read
from tests.serve.standin import (
    CODECS,
    logprobs,
    sglang_response,
    text_only,
    tokens_of,
    vllm_chunks,
    vllm_response,
    written,
)

every_codec = pytest.mark.parametrize("name", CODECS)


def same(answer, expected):
    """Two answers but for their scores, which may be nan."""
    assert answer.regions == expected.regions
    assert answer.problems == expected.problems
    assert answer.finished == expected.finished
    assert answer.text == expected.text


@every_codec
def test_ids_text_and_chunks_say_the_same(name):
    tokens = tokens_of(name)
    ids = written(tokens, "dog", "black dog")
    answer = read(vllm_response(tokens, ids), tokens)
    assert answer.regions == tokens.decode(ids)
    assert answer.ids == tuple(ids[:-1])
    assert answer.text == "Here they are: " + "".join(
        tokens.text(ids[start:stop]) for start, stop in tokens.spans(ids[:-1])
    )
    assert (answer.problems, answer.finished, answer.grid) == ([], True, None)
    spans = tokens.spans(ids)
    assert answer.scores == pytest.approx([math.exp(-(a + b - 1) / 128) for a, b in spans])
    assert read(sglang_response(tokens, ids), tokens) == answer
    reader = Reader(tokens)
    for chunk in vllm_chunks(tokens, ids):
        assert not reader.push(chunk)
    assert reader.answer() == answer
    bare = text_only(vllm_response(tokens, ids))
    from_text = read(bare, tokens)
    same(from_text, answer)
    assert from_text.ids == ()
    assert [*map(math.isnan, from_text.scores)] == [True, True]
    bare["choices"][0]["logprobs"] = logprobs(tokens, ids)
    assert read(bare, tokens).scores == pytest.approx(answer.scores)


def test_a_grid_is_read():
    import maskcodec as mc
    from tests.vocabularies import tokens as shared

    tokens = shared("byte-level", mc.RRLE(grid=3))
    ids = tokens.encode([[0, 1, 1]] * 3, {1: "dog"}).tolist()
    answer = read(text_only(vllm_response(tokens, ids)), tokens)
    assert answer.grid == tokens.decode(ids)
    assert len(answer.scores) == len(answer.regions) == 1


def test_what_ends_an_answer_is_no_part_of_it():
    tokens = tokens_of("scanlines")
    ids = written(tokens, "dog")
    other = tokens.ids("umbrella")[0]  # as an end that the generation config alone names
    response = vllm_response(tokens, [*ids[:-1], other])
    assert len(read(response, tokens).ids) == len(ids)
    response["choices"][0]["stop_reason"] = other
    assert read(response, tokens).ids == tuple(ids[:-1])
    cut = read(vllm_response(tokens, ids[:-2], finish="length"), tokens)
    assert not cut.finished
    assert [problem.reason for problem in cut.problems] == ["truncated"]


@every_codec
@pytest.mark.parametrize("bare", [False, True])
def test_a_stream_shows_rows_when_they_are_whole(name, bare):
    tokens = tokens_of(name)
    ids = written(tokens, "dog")
    reader = Reader(tokens, draw=True)
    sums = []
    for chunk in vllm_chunks(tokens, ids):
        if reader.push(text_only(chunk) if bare else chunk):
            now = reader.progress()
            sums.append(int(now.index_map.sum()))
            assert not now.index_map.flags.writeable
            assert now.answer is None
    stream = tokens.stream()
    expected = [int(stream.index_map.sum()) for number in ids[:-1] if stream.push(number).row_ended]
    if bare and name == "b-sd":  # a newline is drawn with the brick behind it
        expected[0] = sums[0]
    assert sums == expected
    assert len(sums) > 1
    assert reader.progress().regions == reader.answer().regions == tokens.decode(ids)


def test_tags_that_come_in_parts_are_drawn_when_they_are_whole():
    tokens = tokens_of("scanlines")
    ids = written(tokens, "dog")
    text = tokens.text(ids)
    reader = Reader(tokens, draw=True)
    for at in range(0, len(text), 3):
        reader.push({"choices": [{"delta": {"content": text[at : at + 3]}}]})
    assert reader.progress().regions == tokens.decode(ids)


def test_an_object_of_the_openai_package_is_read():
    class Completion:
        def __init__(self, data):
            self.model_dump = lambda: data

    tokens = tokens_of("scanlines")
    response = vllm_response(tokens, written(tokens, "dog"))
    assert read(Completion(response), tokens) == read(response, tokens)


def test_a_reader_draws_only_if_asked():
    with pytest.raises(ValueError, match="pass draw=True to Reader"):
        Reader(tokens_of("scanlines")).progress()


def test_codecs_without_a_stream_are_not_drawn():
    import maskcodec as mc
    from tests.vocabularies import tokens as shared

    with pytest.raises(ConfigError, match="there are streams for B-SD with bricks, scanlines"):
        Reader(shared("byte-level", mc.RRLE(grid=3)), draw=True)


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (None, "a response must be a JSON object, got None"),
        ([1], r"a response must be a JSON object, got \[1\]"),
        ({}, "a response must have one choice in a list, got None"),
        ({"choices": [{}, {}]}, r"must have one choice in a list, got \[\{\}, \{\}\]"),
        ({"choices": ["x"]}, "a choice must be an object, got 'x'"),
        ({"choices": [{"message": {"content": 7}}]}, "content must be a text, got 7"),
        ({"choices": [{"message": 7}]}, "content must be a text, got 7"),
        ({"choices": [{"token_ids": 7}]}, "token_ids must be whole numbers from 0 on, got 7"),
        ({"choices": [{"token_ids": [-1]}]}, r"numbers from 0 on, got \[-1\]"),
        ({"choices": [{"token_ids": [True]}]}, r"numbers from 0 on, got \[True\]"),
        ({"choices": [{"token_ids": [10**30]}]}, r"numbers from 0 on, got \[10{30}\]"),
        ({"choices": [{"logprobs": {"content": [{"token": "a"}]}}]}, "must have tokens and their"),
        (
            {"choices": [{"logprobs": {"content": [{"token": 1, "logprob": -1}]}}]},
            "must have tokens and their logprob, got",
        ),
        (
            {"choices": [{"logprobs": {"content": [{"token": "a", "logprob": math.nan}]}}]},
            "must have tokens and their logprob, got",
        ),
        (
            {"choices": [{"logprobs": {"content": [{"token": "a", "logprob": 10**400}]}}]},
            "must have tokens and their logprob, got",
        ),
        ({"choices": []}, "the response has no finish_reason, as a chunk of a stream has none"),
        ({"error": {"message": "no such model", "code": 404}}, "the server refused: no such model"),
        ({"object": "error", "message": "too long"}, "the server refused: too long"),
        ({"error": "busy"}, "the server refused: busy"),
        ({"error": {"detail": 1}}, "the server refused: {'error': {'detail': 1}}"),
    ],
)
def test_what_no_server_should_send(response, message):
    with pytest.raises(ServerError, match=message):
        read(response, tokens_of("scanlines"))


def test_impossible_probabilities_make_a_score_all_the_same():
    tokens = tokens_of("scanlines")
    ids = written(tokens, "dog")
    response = vllm_response(tokens, ids)
    every = response["choices"][0]["logprobs"]["content"]
    every[-9]["logprob"], every[-8]["logprob"] = -math.inf, 3
    (score,) = read(response, tokens).scores
    assert score == 0
    every.pop()  # not one for each id: nobody knows which
    assert math.isnan(*read(response, tokens).scores)


def test_pieces_that_spell_something_else_make_no_score():
    tokens = tokens_of("scanlines")
    response = vllm_response(tokens, written(tokens, "dog"))
    del response["choices"][0]["token_ids"]
    response["choices"][0]["logprobs"] = logprobs(tokens, tokens.ids("no mask"))
    assert math.isnan(*read(response, tokens).scores)
