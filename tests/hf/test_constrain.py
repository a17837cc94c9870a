"""What is sampled under the constraint decodes, whatever the model and the codec."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given

import maskcodec as mc
from tests.tiny_models import KINDS

torch = pytest.importorskip("torch", reason="torch is not installed: maskcodec[hf]")
pytest.importorskip("transformers", reason="transformers is not installed: maskcodec[hf]")

from maskcodec.hf import MaskLogitsProcessor, constrain, generate, stream  # noqa: E402
from tests.hf.answering import (  # noqa: E402
    CODECS,
    IMAGE,
    MASK,
    QUESTION,
    Leaning,
    few,
    guide_of,
    model_of,
    processor_of,
    seeds,
    text_ids,
    tokens_of,
    towards,
)


def sampled(processor, tokens, prompts, seed, steps=90):
    """Answers of random logits that lean towards tags: ids of each row, and which have ended."""
    rng = torch.Generator().manual_seed(seed)
    ids, columns = prompts, len(tokens.tokenizer) + 9
    end, pad = tokens.tokenizer.eos_token_id, tokens.tokenizer.pad_token_id
    done = torch.zeros(len(ids), dtype=torch.bool)
    lean = torch.zeros(columns)
    lean[[tokens.words[tag] for tag in tokens.codec.tags()]] += 5
    lean[end] += 3
    for _ in range(steps):
        scores = 2 * torch.randn(len(ids), columns, generator=rng) + lean
        masked = processor(ids, scores)
        assert masked.isfinite().any(1).all()
        assert not masked[:, len(tokens.tokenizer) :].isfinite().any()
        chosen = torch.multinomial(masked.softmax(-1), 1, generator=rng)[:, 0]
        chosen[done] = pad
        done |= chosen == end
        ids = torch.cat([ids, chosen[:, None]], 1)
        if done.all():
            break
    return ids[:, prompts.shape[1] :].tolist(), done.tolist()


def prompts_of(tokens, rows=3, width=7):
    """Prompts of different lengths, padded on the left."""
    prompts = torch.randint(3, 200, (rows, width), generator=torch.Generator().manual_seed(rows))
    for row in range(rows):
        prompts[row, :row] = tokens.tokenizer.pad_token_id
    return prompts


@pytest.mark.parametrize("kind", ["qwen2-vl", "llava-1.5"])
@pytest.mark.parametrize("name", CODECS)
@given(seed=seeds)
@few(20)
def test_whatever_is_sampled_decodes(kind, name, seed):
    tokens = tokens_of(kind, name)
    processor = MaskLogitsProcessor(guide_of(kind, name), inplace=seed % 2 == 0)
    for again in range(2):  # another generation, with the same processor
        answers, done = sampled(processor, tokens, prompts_of(tokens, 3 - again), seed)
        for ids, ended in zip(answers, done, strict=True):
            if ended:
                tokens.decode(ids)
            else:
                assert {p.reason for p in tokens.recover(ids).problems} <= {
                    "truncated",
                    "missing-tag",
                    "rows-missing",
                }


@pytest.mark.parametrize("name", ["canvas", "r-rle"])
@given(seed=seeds)
@few()
def test_rows_may_change_places(name, seed):
    """As beams do: every row's options are those of its own ids, wherever it stands."""
    tokens, guide = tokens_of("qwen2-vl", name), guide_of("qwen2-vl", name)
    processor, rng = MaskLogitsProcessor(guide), np.random.default_rng(seed)
    ids, prompt = prompts_of(tokens, 4), 7
    ended = np.zeros(4, bool)
    for _ in range(30):
        masked = processor(ids, torch.zeros(len(ids), len(tokens.tokenizer) + 2))
        chosen = []
        for row in range(len(ids)):
            found = masked[row].isfinite().nonzero()[:, 0].tolist()
            assert found == guide.allowed(ids[row, prompt:].tolist()).tolist()
            tags = [i for i in found if i in tokens.words.values()]
            chosen.append(rng.choice(tags if tags and rng.random() < 0.7 else found))
        ids = torch.cat([ids, torch.tensor(chosen)[:, None]], 1)
        ids = ids[rng.integers(0, len(ids), rng.integers(1, 6))]
    assert ended.sum() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_learned_may_come_without_free_text(kind):
    """Also the space with which LLaVA's tokenizer begins what stands behind a prompt."""
    tokens, processor = tokens_of(kind, "canvas"), processor_of(kind)
    content = [{"type": "image"}, {"type": "text", "text": QUESTION}]
    chat = [{"role": "user", "content": content}]
    prompt = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    answer = tokens.codec.encode(MASK, "dog")
    space = " " if kind == "llava-1.5" else ""
    before, whole = (
        tokens.tokenizer(text, add_special_tokens=False)["input_ids"]
        for text in (prompt, f"{prompt}{space}{answer}")
    )
    assert whole[: len(before)] == before
    guide = tokens.guide(free_text=False, instances=1)
    state = guide.start()
    for number in whole[len(before) :]:
        state = guide.step(state, number)
    assert guide.options(state).tolist() == [tokens.tokenizer.eos_token_id]


def test_without_free_text_there_is_a_mask():
    tokens, model = tokens_of("qwen2-vl", "canvas"), model_of("qwen2-vl")
    processor = processor_of("qwen2-vl")
    for beams in (1, 3):
        answer = generate(
            model,
            processor,
            IMAGE,
            QUESTION,
            tokens,
            labels=["dog", "red circle"],
            instances=1,
            free_text=False,
            num_beams=beams,
            max_new_tokens=400,
        )
        assert answer.finished
        assert len(answer.regions) == 1
        assert answer.regions == tokens.decode(answer.ids)
    *_, last = stream(model, processor, IMAGE, QUESTION, tokens, free_text=False, max_new_tokens=9)
    assert tokens.text(last.answer.ids).startswith("<ref>")
    with pytest.raises(mc.ConfigError, match="free_text belong to constrain=True"):
        generate(model, processor, IMAGE, "?", tokens, constrain=False, free_text=False)


def test_what_a_guide_leaves_out_is_remembered_for_gradients_too():
    tokens = tokens_of("qwen2-vl", "canvas")
    guide, columns = tokens.guide(labels=["dog"]), len(tokens.tokenizer)
    with torch.inference_mode():
        MaskLogitsProcessor(guide)(torch.tensor([[1]]), torch.zeros(1, columns))
    scores = torch.zeros(1, columns, requires_grad=True)
    masked = MaskLogitsProcessor(guide)(torch.tensor([[1]]), scores)
    masked[masked.isfinite()].sum().backward()
    assert scores.grad.sum() == len(guide.allowed([]))


def test_a_batch_is_its_rows():
    tokens, guide = tokens_of("qwen2-vl", "canvas"), guide_of("qwen2-vl", "canvas")
    answer = tokens.encode(MASK, "dog").tolist()
    prompts = prompts_of(tokens, 4)
    many = MaskLogitsProcessor(guide)
    alone = [MaskLogitsProcessor(guide) for _ in prompts]
    grown = [p.tolist() for p in prompts]
    columns = len(tokens.tokenizer)
    for step in range(len(answer) - 4):
        scores = torch.randn(4, columns)
        batch = many(torch.tensor(grown), scores)
        for row in range(4):
            own = torch.tensor([grown[row][row:]])  # without its padding
            assert torch.equal(alone[row](own, scores[row : row + 1])[0], batch[row])
        for row in range(4):  # some are ahead of others: free text here, bricks there
            grown[row].append(answer[step - row] if step >= row else text_ids(tokens, "dog")[0])


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_scores_of_any_kind(dtype, inplace):
    tokens, guide = tokens_of("qwen2-vl", "canvas"), guide_of("qwen2-vl", "canvas")
    answer = tokens.encode(MASK, "dog").tolist()
    processor = MaskLogitsProcessor(guide, inplace=inplace)
    for n in range(len(answer)):
        ids = torch.tensor([[5, *answer[:n]]], dtype=torch.int32)
        whole = torch.randn(len(tokens.tokenizer), 2).to(getattr(torch, dtype))
        scores = whole.T[:1]  # not contiguous
        before = scores.clone()
        masked = processor(ids, scores)
        allowed = guide.allowed(answer[:n]).tolist()
        assert masked.dtype == before.dtype
        assert masked.device == before.device
        assert torch.equal(masked[0, allowed], before[0, allowed])
        assert masked.isfinite().sum() == len(allowed)
        assert inplace or torch.equal(scores, before)


@pytest.mark.parametrize("rows", [3, 7])
def test_in_place_nothing_of_the_last_call_is_left(rows):
    tokens, guide = tokens_of("qwen2-vl", "canvas"), guide_of("qwen2-vl", "canvas")
    answer, columns = tokens.encode(MASK, "dog").tolist(), len(tokens.tokenizer) + 3
    new, own = MaskLogitsProcessor(guide), MaskLogitsProcessor(guide, inplace=True)
    grown = [[1] for _ in range(rows)]
    returned = set()
    for step in range(len(answer)):
        scores = torch.randn(rows, columns)
        expected = new(torch.tensor(grown), scores)
        found = own(torch.tensor(grown), scores.clone())
        assert torch.equal(found, expected)
        returned.add(found.data_ptr())
        for row in range(rows):
            grown[row].append(answer[step - 2 * row] if step >= 2 * row else answer[1])
            if grown[row][1] == answer[1] and step < 2 * row:
                grown[row][-1] = text_ids(tokens, "sky")[0]
    wide = torch.randn(rows, columns + 1)
    assert own(torch.tensor(grown), wide).shape == wide.shape  # another size: another tensor
    assert len(returned) < len(answer)


def test_only_some_lists_are_remembered(monkeypatch):
    monkeypatch.setattr(constrain, "_REMEMBERED", 1)
    tokens, guide = tokens_of("qwen2-vl", "canvas"), guide_of("qwen2-vl", "canvas")
    processor, scores = MaskLogitsProcessor(guide), torch.zeros(1, len(tokens.tokenizer))
    for ids in ([], text_ids(tokens, "a")[:1], [tokens.words["<ref>"]]):
        processor.reset()
        processor(torch.tensor([[5]]), scores)
        masked = processor(torch.tensor([[5, *ids]]), scores)
        assert masked.isfinite().nonzero()[:, 1].tolist() == guide.allowed(ids).tolist()


def test_ended_rows_go_on_with_anything():
    tokens = tokens_of("qwen2-vl", "canvas")
    end, pad = tokens.tokenizer.eos_token_id, tokens.tokenizer.pad_token_id
    other = text_ids(tokens, "dog")[0]
    guide = guide_of("qwen2-vl", "canvas")
    processor = MaskLogitsProcessor(guide)
    ids = [[3, other], [3, other]]
    scores = torch.zeros(2, len(tokens.tokenizer))
    processor(torch.tensor(ids), scores)
    for more in [(end, other), (pad, other), (other, other)]:
        ids = [[*row, number] for row, number in zip(ids, more, strict=True)]
        masked = processor(torch.tensor(ids), scores)
        assert masked[0].isfinite().nonzero()[:, 0].tolist() == guide.after.tolist()
        assert masked[1].isfinite().sum() > 300
    assert {end, pad} == set(guide.after.tolist())


def test_a_row_that_something_else_has_stopped_is_padded():
    tokens = tokens_of("qwen2-vl", "canvas")
    answer, pad = tokens.encode(MASK, "dog").tolist(), tokens.tokenizer.pad_token_id
    processor = MaskLogitsProcessor(guide_of("qwen2-vl", "canvas"))
    ids = [[3], [3]]
    for number in answer[:-1]:
        processor(torch.tensor(ids), torch.zeros(2, len(tokens.tokenizer)))
        stopped = len(ids[0]) > 8  # in the middle of the box
        ids = [[*ids[0], pad if stopped else number], [*ids[1], number]]
    masked = processor(torch.tensor(ids), torch.zeros(2, len(tokens.tokenizer)))
    assert masked[0].isfinite().nonzero()[:, 0].tolist() == processor.guide.after.tolist()
    assert masked[1].isfinite().nonzero()[:, 0].tolist() == [answer[-1]]


def test_what_the_processor_refuses():
    tokens, guide = tokens_of("qwen2-vl", "canvas"), guide_of("qwen2-vl", "canvas")
    with pytest.raises(TypeError, match=r"guide must be what TokenCodec.guide\(\) returns, got T"):
        MaskLogitsProcessor(tokens)
    processor, scores = MaskLogitsProcessor(guide), torch.zeros(2, len(tokens.tokenizer))
    for ids, wrong in [
        (torch.ones(2), scores),
        (torch.ones(3, 2, dtype=int), scores),
        (torch.ones(2, 2, dtype=int), scores[0]),
    ]:
        with pytest.raises(mc.VocabError, match=r"input_ids must be \(rows, n\) and scores \(rows"):
            processor(ids, wrong)
    with pytest.raises(mc.VocabError, match=r"scores have 99 columns, but id .* too few rows"):
        processor(torch.ones(2, 2, dtype=int), scores[:, :99])
    processor.reset()
    ref, dog = tokens.words["<ref>"], text_ids(tokens, "dog")[0]
    processor(torch.tensor([[7, 8], [7, 9]]), scores)
    processor(torch.tensor([[7, 8, ref], [7, 9, dog]]), scores)
    message = rf"row 1: id {ref} may not come here, where \d+ others may: .* \(at id 1\)"
    with pytest.raises(mc.DecodeError, match=message) as caught:
        processor(torch.tensor([[7, 9, dog, dog], [7, 8, ref, ref]]), scores)
    assert (caught.value.position, caught.value.reason) == (1, "not-allowed")


def test_another_generation_is_recognised():
    tokens, guide = tokens_of("qwen2-vl", "canvas"), guide_of("qwen2-vl", "canvas")
    processor, scores = MaskLogitsProcessor(guide), torch.zeros(1, len(tokens.tokenizer))
    ref, dog = tokens.words["<ref>"], text_ids(tokens, "dog")[0]
    fresh = torch.isfinite(processor(torch.tensor([[7, 8, 9]]), scores)).sum()
    for prompt in [[7, 8, 9], [7, 8], [6, 8, 9, 9], [1], [1, 2, 3, 4, 5]]:
        for answer in ([], [ref], [ref, dog]):
            try:
                masked = processor(torch.tensor([[*prompt, *answer]]), scores)
            except mc.ConfigError as error:
                message = "the rows have 5 ids and begin with the prompts of 1 id .* last call, 3 "
                assert re.match(message, str(error))
                assert (prompt, answer) == ([1, 2, 3, 4, 5], [])
                processor.reset()
                masked = processor(torch.tensor([prompt]), scores)
            assert (masked.isfinite().sum() == fresh) == (not answer)
    assert torch.equal(processor(torch.tensor([[1], [2]]), scores.repeat(2, 1))[1], masked[0]) is (
        False
    )


def test_ends_of_a_guide():
    tokens = tokens_of("qwen2-vl", "r-rle")
    pad, end = tokens.tokenizer.pad_token_id, tokens.tokenizer.eos_token_id
    other = tokens.tokenizer.convert_tokens_to_ids("<|im_start|>")
    plain = text_ids(tokens, "Please")[0]
    guide = tokens.guide(labels=["dog"], ends=[pad, np.int64(other), plain])
    assert not {pad, end, other, plain} & set(guide.allowed([]).tolist())  # there is no grid yet
    answer = tokens.encode(np.ones((3, 3), int), ["sky", "dog"]).tolist()
    assert {pad, end, other, plain} <= set(guide.allowed(answer).tolist())
    assert {pad, end, other, plain} <= set(guide.allowed([*answer, other]).tolist())
    bricks = tokens_of("qwen2-vl", "canvas")
    guide = bricks.guide(ends=[plain])
    assert plain in guide.allowed([])
    assert plain not in guide.allowed([bricks.words["<ref>"]])
    with pytest.raises(
        mc.ConfigError, match=r"ends holds the id of '</ref>', which is a part of a"
    ):
        bricks.guide(ends=[bricks.words["</ref>"]])
    with pytest.raises(TypeError):
        bricks.guide(ends=["<eos>"])
    usual = bricks.guide().allowed([]).tolist()
    assert bricks.guide(ends=None).allowed([]).tolist() == usual
    assert bricks.guide(ends=plain).allowed([]).tolist() == guide.allowed([]).tolist()
    with pytest.raises(mc.VocabError, match="ends must be ids, 0 or more, got -1"):
        bricks.guide(ends=[end, -1])


def test_a_beam_that_took_what_may_not_come_has_ended():
    guide, words = guide_of("qwen2-vl", "r-rle"), tokens_of("qwen2-vl", "r-rle").words
    start, wrong = words["<seg>"], words["</seg>"]
    prompt = torch.tensor([[5, 6], [5, 6]])
    ids = torch.cat([prompt, torch.tensor([[start], [wrong]])], 1)
    scores = torch.zeros(2, 2000)
    processor = MaskLogitsProcessor(guide)
    processor(prompt, scores)
    with pytest.raises(mc.DecodeError, match=f"row 1: id {wrong} may not come here"):
        processor(ids, scores)
    processor = MaskLogitsProcessor(guide, beams=True)
    processor(prompt, scores)
    found = processor(ids, scores)
    assert found[0].isfinite().nonzero()[:, 0].tolist() == guide.allowed([start]).tolist()
    assert found[1].isfinite().nonzero()[:, 0].tolist() == guide.after.tolist()
    more = processor(torch.cat([ids, ids[:, -1:]], 1)[1:], scores[:1])  # and goes on anyhow
    assert more[0].isfinite().nonzero()[:, 0].tolist() == guide.after.tolist()


def test_beams_are_sampled_where_few_ids_may_come():
    kind, name = "qwen2-vl", "i-rle"
    tokens, model, processor = tokens_of(kind, name), model_of(kind), processor_of(kind)
    options = {"num_beams": 5, "do_sample": True, "temperature": 0.01, "top_k": 2}
    torch.manual_seed(5)
    with Leaning(model, towards(tokens)):
        answer = generate(
            model, processor, IMAGE, QUESTION, tokens, labels=["dog"], max_new_tokens=40, **options
        )
    assert not answer.finished or not answer.problems
