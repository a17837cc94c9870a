"""Answers of models: what is sampled under the constraint decodes, and is read with a score."""

from __future__ import annotations

import gc
import itertools
import math
import re
import threading
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import maskcodec as mc
from tests import vocabularies
from tests.tiny_models import KINDS, tiny_model, tiny_processor, tiny_tokenizer

torch = pytest.importorskip("torch", reason="torch is not installed: maskcodec[hf]")
transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed: maskcodec[hf]"
)

from maskcodec.hf import MaskLogitsProcessor, constrain, generate, stream  # noqa: E402
from maskcodec.hf._images import as_picture  # noqa: E402
from maskcodec.hf._likelihood import Likelihood  # noqa: E402
from maskcodec.hf._rowmatch import RowMatch  # noqa: E402
from maskcodec.hf.answer import Answer, read_answer  # noqa: E402

CODECS = {
    "canvas": (mc.BSD(grid=4), {}),
    "box": (mc.BSD(frame="box", grid=(3, 4), bins=12), {"instances": 2}),
    "r-rle": (mc.RRLE(grid=3), {"labels": ["dog", "sky"]}),
    "i-rle": (mc.IRLE(grid=3), {"labels": ["dog", "sky"]}),
}
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
MASK = np.pad(np.ones((2, 3), np.uint8), 1)
QUESTION = "Please draw the mask of: the dog"

seeds = st.integers(0, 2**32 - 1)


def few(part=8):
    return settings(max_examples=max(settings().max_examples // part, 3))


# ---------------------------------------------------------------- models, made once


@cache
def tokenizer_of(kind):
    tokenizer = tiny_tokenizer(kind)
    for codec, _ in CODECS.values():
        mc.extend_tokenizer(tokenizer, codec)
    return tokenizer


@cache
def tokens_of(kind, name):
    return mc.TokenCodec(CODECS[name][0], tokenizer_of(kind))


@cache
def guide_of(kind, name, **options):
    return tokens_of(kind, name).guide(**{**CODECS[name][1], **options})


@cache
def model_of(kind):
    model = tiny_model(kind)
    rows = model.get_input_embeddings().weight.shape[0]
    model.resize_token_embeddings(max(rows, len(tokenizer_of(kind)) + 7), mean_resizing=False)
    return model


@cache
def processor_of(kind):
    return tiny_processor(kind, tokenizer_of(kind))


class Leaning:
    """A head that adds something to a model's logits while this lasts, the model's own for all."""

    def __init__(self, model, change):
        self.model, self.change = model, change

    def __enter__(self):
        head = self.model.get_output_embeddings()
        self.hook = head.register_forward_hook(lambda *called: self.change(called[-1]))

    def __exit__(self, *error):
        self.hook.remove()


def towards(tokens, strength=8.0, end=2.0):
    """Leans towards tags, so that a random model draws at all, and to the end behind them."""
    favoured = [tokens.words[tag] for tag in tokens.codec.tags()]

    def change(logits):
        logits = logits.clone()
        logits[..., favoured] += strength
        logits[..., tokens.tokenizer.eos_token_id] += end
        return logits

    return change


class Script:
    """Writes given ids, one a step, whatever the model thinks; the same in each row."""

    def __init__(self, ids):
        self.ids, self.at = ids, 0

    def __call__(self, logits):
        logits = logits.clone()
        logits[:, -1, self.ids[min(self.at, len(self.ids) - 1)]] += 50
        self.at += 1
        return logits


def text_ids(tokens, text):
    return tokens.tokenizer.encode(text, add_special_tokens=False)


# ---------------------------------------------------------------- the processor


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


@given(groups=st.integers(1, 3), each=st.integers(1, 3), changed=st.booleans(), seed=seeds)
@few(1)
def test_rows_are_found_by_what_they_are(groups, each, changed, seed):
    """As by comparing all ids, for which a row's number stands; many rows are the same here."""
    rng, rows = np.random.default_rng(seed), groups * each
    before = rng.integers(0, 2, (rows, 2))
    picked = [row // each * each + int(rng.integers(each)) for row in range(rows)]
    after = np.hstack([before[picked], rng.integers(0, 4, (rows, 1))])
    if changed:
        after[rng.integers(rows), rng.integers(3)] ^= 1
    match = RowMatch(groups)
    old, new = match.read(before), match.read(after)
    naive = []
    for row, ids in enumerate(after.tolist()):
        group = range(row // each * each, (row // each + 1) * each)
        naive.append({at for at in group if before[at].tolist() == ids[:-1]})
    found = match.parents(new, old)
    assert (found is None) == (set() in naive)
    assert found is None or all(at in ways for at, ways in zip(found, naive, strict=True))
    assert new.last == after[:, -1].tolist()
    assert match.same(new, match.read(after.copy())) == list(range(rows))
    longer = match.read(np.hstack([after, np.zeros((rows, 1), np.int64)]))
    assert match.same(longer, new) is None
    assert match.parents(longer, new) is not None
    assert match.parents(longer, old) is None
    assert match.read(before[:, :0]).length == 0


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
                message = "the rows have 5 ids and begin with the prompts of 1 ids .* last call, 3 "
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


# ---------------------------------------------------------------- generate


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_of_each_family(kind):
    tokens, model, processor = tokens_of(kind, "canvas"), model_of(kind), processor_of(kind)
    with Leaning(model, towards(tokens)):
        both = generate(
            model,
            processor,
            [IMAGE, Image.fromarray(IMAGE[:30])],
            [QUESTION, "the red circle"],
            tokens,
            labels=["dog", "red circle"],
            instances=1,
            max_new_tokens=80,
        )
        alone = generate(
            model,
            processor,
            IMAGE,
            QUESTION,
            tokens,
            labels=["dog", "red circle"],
            instances=1,
            max_new_tokens=80,
        )
    assert isinstance(alone, Answer)
    assert both[0].ids == alone.ids
    assert both[0].scores == pytest.approx(alone.scores, rel=1e-3)
    for answer in both:
        assert answer.regions == tokens.decode(answer.ids)
        assert len(answer.regions) == 1
        assert answer.text == tokens.text(answer.ids)
        assert answer.problems == []
        assert answer.grid is None
        assert 0 < answer.scores[0] < 1
        end = tokens.tokenizer.eos_token_id
        assert answer.finished
        assert end not in answer.ids


def own_logs(model, processor, ids):
    """The log-probabilities of an answer's ids, all at once, by a pass of one's own."""
    chat = [{"type": "image"}, {"type": "text", "text": QUESTION}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": chat}], add_generation_prompt=True, tokenize=False
    )
    inputs = dict(processor(images=[Image.fromarray(IMAGE)], text=[text], return_tensors="pt"))
    prompt = inputs["input_ids"].shape[1]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([ids])], 1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    if "mm_token_type_ids" in inputs:
        more = torch.zeros(1, len(ids), dtype=int)
        inputs["mm_token_type_ids"] = torch.cat([inputs["mm_token_type_ids"], more], 1)
    with torch.no_grad():
        logits = model(**inputs).logits[0, prompt - 1 : -1].double()
    return (logits - logits.logsumexp(1, keepdim=True))[range(len(ids)), ids].tolist()


@pytest.mark.parametrize("kind", ["qwen2.5-vl", "internvl"])
@pytest.mark.parametrize("options", [{}, {"num_beams": 3}, {"do_sample": True, "top_k": 0}])
def test_a_score_is_the_mean_of_what_the_model_thinks(kind, options):
    tokens, model, processor = tokens_of(kind, "box"), model_of(kind), processor_of(kind)
    torch.manual_seed(1)
    with Leaning(model, towards(tokens)):
        answer = generate(
            model, processor, IMAGE, QUESTION, tokens, labels=["dog"], max_new_tokens=90, **options
        )
        logs = own_logs(model, processor, answer.ids)
    assert answer.regions
    starts = [k for k, number in enumerate(answer.ids) if number == tokens.words["<ref>"]]
    ends = [k + 1 for k, number in enumerate(answer.ids) if number == tokens.words["</seg>"]]
    ends += [len(answer.ids)] * (len(starts) - len(ends))
    for score, start, stop in zip(answer.scores, starts, ends, strict=False):
        assert score == pytest.approx(math.exp(np.mean(logs[start:stop])), rel=1e-3)


@pytest.mark.parametrize("name", ["r-rle", "i-rle"])
def test_image_wise_codecs(name):
    kind = "qwen2-vl"
    tokens, model, processor = tokens_of(kind, name), model_of(kind), processor_of(kind)
    with Leaning(model, towards(tokens, 4)):
        answer = generate(
            model, processor, IMAGE, QUESTION, tokens, labels=["dog", "sky"], max_new_tokens=120
        )
        logs = own_logs(model, processor, answer.ids)
    assert answer.grid == tokens.decode(answer.ids)
    start, stop = (answer.ids.index(tokens.words[tag]) for tag in tokens.codec.tags())
    score = math.exp(np.mean(logs[start : stop + 1]))
    assert answer.scores == pytest.approx([score] * len(answer.regions), rel=1e-3)
    for region in answer.regions:
        expected = answer.grid.mask(region.label, (30, 30))
        assert (region.mask((30, 30)) == expected).all()
        assert expected.any()
    with pytest.raises(mc.ConfigError, match="needs the labels to choose from: labels="):
        generate(model, processor, IMAGE, QUESTION, tokens)


def scripted(kind, tokens, ids, **options):
    model = model_of(kind)
    with Leaning(model, Script(ids)):
        return generate(
            model, processor_of(kind), IMAGE, QUESTION, tokens, constrain=False, **options
        )


@pytest.mark.parametrize("kind", KINDS)
def test_unconstrained_words_around_masks(kind):
    tokens = tokens_of(kind, "canvas")
    dog, sky = tokens.encode(MASK, "dog").tolist(), tokens.encode(MASK.T, "sky").tolist()
    end = tokens.tokenizer.eos_token_id
    words = text_ids(tokens, "Here it is: "), text_ids(tokens, " and ")
    answer = scripted(kind, tokens, [*words[0], *dog, *words[1], *sky, *words[1], end])
    assert answer.finished
    assert answer.ids == (*words[0], *dog, *words[1], *sky, *words[1])
    assert [region.label for region in answer.regions] == ["dog", "sky"]
    assert answer.regions == tokens.decode(answer.ids)
    assert answer.scores == pytest.approx([1, 1])
    assert "Here it is" in answer.text
    assert answer.problems == []

    length = len(dog) + len(sky) - 1
    cut = scripted(kind, tokens, [*dog, *sky], max_new_tokens=length)
    assert not cut.finished
    assert len(cut.regions) == len(cut.scores) == 2
    assert [problem.reason for problem in cut.problems][-1] == "truncated"

    ref = tokens.words["<ref>"]
    wrong = scripted(kind, tokens, [*dog[:-2], *words[1], ref, *sky, end])
    assert [region.label for region in wrong.regions] == ["dog", "sky"]
    assert wrong.problems


def test_unconstrained_nothing():
    tokens = tokens_of("qwen2-vl", "r-rle")
    end, unknown = tokens.tokenizer.eos_token_id, len(tokens.tokenizer) + 1
    answer = scripted("qwen2-vl", tokens, [end])
    assert answer.ids == ()
    assert answer.text == ""
    assert (answer.regions, answer.scores, answer.finished) == ([], [], True)
    assert answer.problems
    loose = [unknown, *text_ids(tokens, "dog*2|sky*7"), end]
    answer = scripted("qwen2-vl", tokens, loose)
    assert answer.text.startswith("\ufffd")
    assert len(answer.regions) == len(answer.scores) == len(answer.grid.names) - 1


def test_bricks_of_pieces():
    codec = mc.BSD(grid=4, bricks=False)
    mc.extend_tokenizer(tokenizer_of("qwen2-vl"), codec)
    tokens = mc.TokenCodec(codec, tokenizer_of("qwen2-vl"))
    ids = [*tokens.encode(MASK, "dog").tolist(), *tokens.encode(MASK, "sky").tolist()]
    answer = scripted("qwen2-vl", tokens, [*ids, tokens.tokenizer.eos_token_id])
    assert [region.label for region in answer.regions] == ["dog", "sky"]
    assert tokens.spans(ids)[1][1] == len(ids)
    with pytest.raises(mc.ConfigError, match="there are guides for B-SD with bricks"):
        generate(model_of("qwen2-vl"), processor_of("qwen2-vl"), IMAGE, QUESTION, tokens)


def test_a_label_that_cuts_an_instance_off_leaves_the_scores_in_their_places():
    tokens = tokens_of("qwen2-vl", "canvas")
    drawn = "<seg><fg3>\n<fg3>\n<fg3></seg>"
    text = f"<ref>dog</ref><box>[[0 0 2 2]]<ref></box>{drawn}<ref>cat</ref><box>[[0 0 2 2]]</box>"
    ids = text_ids(tokens, text + drawn)
    cut = ids.index(tokens.words["<ref>"], 1)
    begun = ids.index(tokens.words["<ref>"], cut + 1)
    answer = read_answer(tokens, ids, [math.log(0.5)] * begun + [0.0] * (len(ids) - begun), True)
    assert [region.label for region in answer.regions] == ["dog", "cat"]
    assert answer.scores == pytest.approx([0.5, 1])
    assert tokens.spans(ids) == [(0, cut), (begun, len(ids))]


@pytest.mark.parametrize(
    "codec", [mc.BSD(grid=4), mc.BSD(frame="box", grid=(3, 4), bins=12)], ids=str
)
@given(data=st.data())
@few(2)
def test_each_region_has_its_span(codec, data):
    tokens = vocabularies.tokens("byte-level", codec)
    ids = data.draw(vocabularies.answers(tokens))
    spans = tokens.spans(ids)
    assert len(spans) == len(tokens.recover(ids).regions)
    assert all(0 <= start < stop <= len(ids) for start, stop in spans)
    starts = [start for start, _ in spans]
    assert starts == sorted(starts)
    tags = {tokens.words[tag] for tag in codec.tags()}
    assert all(ids[start] in tags for start in starts)


def test_several_questions_and_options():
    kind = "qwen2-vl"
    tokens, model, processor = tokens_of(kind, "canvas"), model_of(kind), processor_of(kind)
    end = tokens.tokenizer.eos_token_id
    answer = tokens.encode(MASK, "dog").tolist()
    assert len(generate(model, processor, IMAGE, [QUESTION] * 2, tokens, max_new_tokens=1)) == 2
    assert len(generate(model, processor, [IMAGE] * 2, QUESTION, tokens, max_new_tokens=1)) == 2
    assert len(scripted(kind, tokens, answer, max_new_tokens=5).ids) == 5
    config = transformers.GenerationConfig(max_new_tokens=3, eos_token_id=answer[1])
    short = scripted(kind, tokens, answer, generation_config=config)
    assert (short.ids, short.finished) == ((answer[0],), True)
    config = transformers.GenerationConfig(max_new_tokens=3)
    assert len(scripted(kind, tokens, answer, generation_config=config).ids) == 3
    longer = processor_of(kind)(text=["a"], return_tensors="pt")["input_ids"].shape[1]
    long = scripted(kind, tokens, answer, max_length=60)
    assert 0 < len(long.ids) < 60 - longer
    seen = []
    done = scripted(
        kind,
        tokens,
        [*answer, end],
        eos_token_id=[end, tokens.words["</seg>"]],
        logits_processor=[lambda ids, scores: seen.append(ids.shape) or scores],
    )
    assert done.ids == tuple(answer[:-1])
    assert len(seen) == len(answer)
    guide = guide_of(kind, "canvas", instances=0)
    with Leaning(model, towards(tokens)):
        none = generate(
            model, processor, IMAGE, QUESTION, tokens, constrain=guide, max_new_tokens=9
        )
    assert none.regions == []
    with Leaning(model, towards(tokens)):  # an id that ends the answer may be a tag
        tagged = generate(
            model,
            processor,
            IMAGE,
            QUESTION,
            tokens,
            labels=["dog"],
            eos_token_id=[end, tokens.words["</seg>"]],
            max_new_tokens=90,
        )
    assert tagged.finished


def test_other_criteria_end_a_row_alone():
    kind = "qwen2-vl"
    tokens, model, processor = tokens_of(kind, "canvas"), model_of(kind), processor_of(kind)

    class First(transformers.StoppingCriteria):
        def __call__(self, *args, **kwargs):
            del args, kwargs
            return torch.tensor([True, False])

    with Leaning(model, towards(tokens)):
        first, second = generate(
            model,
            processor,
            IMAGE,
            [QUESTION] * 2,
            tokens,
            labels=["dog"],
            max_new_tokens=60,
            stopping_criteria=[First()],
        )
    assert not first.finished
    assert first.ids == second.ids[:1]


def test_a_row_ends_alone_where_the_model_pads_with_a_word():
    kind = "qwen2-vl"
    tokens, model, processor = tokens_of(kind, "canvas"), model_of(kind), processor_of(kind)
    script = Script(tokens.encode(MASK, "dog").tolist())

    class First(transformers.StoppingCriteria):
        def __call__(self, *args, **kwargs):
            del args, kwargs
            return torch.tensor([script.at == 9, False])  # in the box

    questions, word = [QUESTION] * 2, text_ids(tokens, "Please")[0]
    with Leaning(model, script):
        first, second = generate(
            model,
            processor,
            IMAGE,
            questions,
            tokens,
            max_new_tokens=20,
            stopping_criteria=[First()],
            pad_token_id=word,
        )
    assert first.ids == second.ids[:9]
    assert not first.finished


def test_the_model_is_asked_in_evaluation_mode():
    kind = "qwen2-vl"
    tokens, model, processor = tokens_of(kind, "canvas"), tiny_model(kind), processor_of(kind)
    model.resize_token_embeddings(len(tokens.tokenizer), mean_resizing=False)
    modes = []
    model.get_output_embeddings().register_forward_hook(lambda *_: modes.append(model.training))
    model.train()
    model.model.visual.eval()  # frozen, as for training
    generate(model, processor, IMAGE, QUESTION, tokens, max_new_tokens=2)
    assert model.training
    assert model.lm_head.training
    assert not any(module.training for module in model.model.visual.modules())
    assert modes == [False, False]


@pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"
)  # peft
def test_an_adapter_generates():
    peft = pytest.importorskip("peft", reason="peft is not installed: maskcodec[hf]")
    kind = "qwen2-vl"
    tokens, processor = tokens_of(kind, "canvas"), processor_of(kind)
    model = tiny_model(kind)
    model.resize_token_embeddings(len(tokens.tokenizer), mean_resizing=False)
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    answer = generate(
        peft.get_peft_model(model, config), processor, IMAGE, QUESTION, tokens, max_new_tokens=3
    )
    assert len(answer.ids) == 3


def test_what_generate_refuses(tmp_path):
    kind = "llava-1.5"
    tokens, model, processor = tokens_of(kind, "canvas"), model_of(kind), processor_of(kind)

    def refused(error, match, image=IMAGE, question=QUESTION, **options):
        with pytest.raises(error, match=match):
            generate(
                options.pop("model", model),
                options.pop("processor", processor),
                image,
                question,
                options.pop("tokens", tokens),
                **options,
            )

    refused(mc.MaskError, "lists of the same length, got 2 and 3", [IMAGE] * 2, ["a"] * 3)
    refused(mc.MaskError, "lists of the same length, got 0 and 0", [], QUESTION)
    refused(TypeError, "question must be a str or a list of them, got int", IMAGE, 3)
    refused(TypeError, "processor must be one of transformers, with a tokenizer", processor=3)
    refused(TypeError, "model must have a method generate, got int", model=3)
    refused(mc.VocabError, "holds '<image>', which stands for an image", question="the <image>")
    other = tiny_processor(kind)
    refused(mc.VocabError, r"'<ref>' is id \d+ in tokens and None in the pro", processor=other)
    refused(mc.VocabError, r"the model has \d+ embedding rows, but", model=tiny_model(kind))
    refused(mc.ConfigError, "one Answer for each question; leave num_ret", num_return_sequences=2)
    several = transformers.GenerationConfig(num_return_sequences=2, num_beams=2)
    refused(mc.ConfigError, "leave num_return_sequences out", generation_config=several)
    refused(mc.ConfigError, "leave output_scores out", output_scores=True)
    guide = guide_of(kind, "canvas")
    refused(mc.ConfigError, "belong to constrain=True", constrain=guide, labels=["dog"])
    refused(mc.ConfigError, "belong to constrain=True", constrain=False, instances=2)
    refused(TypeError, "labels must be several str, got one: 'dog'", labels="dog")
    refused(TypeError, "a Pillow image, a uint8 array or a path, got NoneType", [None])
    refused(TypeError, "image must be uint8, 0 .. 255, got float64", IMAGE / 255)
    refused(mc.MaskError, r"or \(height, width\), got shape \(4, 4, 4\)", np.ones((4, 4, 4), "u1"))
    refused(mc.MaskError, r"got shape \(0, 4\)", np.ones((0, 4), "u1"))
    refused(
        TypeError, "the mode I;16, expected 8 bits a ch", Image.fromarray(np.ones((4, 4), "u2"))
    )
    refused(mc.MaskError, "image must have pixels, got 0 x 4", Image.new("RGB", (4, 0)))
    refused(FileNotFoundError, "nothing.png", tmp_path / "nothing.png")


def test_an_image_from_anywhere(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "image.png")
    for image in (tmp_path / "image.png", str(tmp_path / "image.png"), IMAGE):
        assert (np.asarray(as_picture(image)) == IMAGE).all()
    grey = as_picture(IMAGE[:, :, 0])
    assert (np.asarray(grey) == IMAGE[:, :, :1]).all()
    turned = Image.fromarray(IMAGE)
    turned.getexif()[0x0112] = 6  # lies on its side
    turned.save(tmp_path / "turned.png", exif=turned.getexif())
    assert as_picture(turned).size == as_picture(tmp_path / "turned.png").size == (40, 60)


def test_strategies_that_take_several_ids_at_once():
    likelihood = Likelihood(1)
    likelihood(torch.tensor([[1, 2]]), torch.zeros(1, 9))
    message = "grew by other than one id a step, as with assisted decoding"
    with pytest.raises(mc.ConfigError, match=message):
        likelihood.choose(torch.tensor([[1, 2, 3, 4]]))
    likelihood.choose(torch.tensor([[1, 2, 3], [1, 2, 3]]))
    assert likelihood.logs(0, [3]) == pytest.approx([-math.log(9)])
    with pytest.raises(mc.ConfigError, match=message):
        likelihood(torch.tensor([[1, 2, 3, 4]]), torch.zeros(1, 9))


def test_labels_that_are_nowhere_are_no_regions():
    (region,) = mc.LabelGrid([[0, 2], [0, 2]], ("others", "sky", "dog")).regions()
    assert region == mc.Region("dog", (1, 0, 1, 1), [[1], [1]], (2, 2))


# ---------------------------------------------------------------- stream


@pytest.mark.parametrize("name", ["canvas", "box"])
def test_a_stream_grows_to_the_answer(name):
    kind = "qwen2.5-vl"
    tokens, model, processor = tokens_of(kind, name), model_of(kind), processor_of(kind)
    asked = model, processor, IMAGE, QUESTION, tokens
    options = {"labels": ["dog"], "instances": 2, "max_new_tokens": 120}
    with Leaning(model, towards(tokens)):
        answer = generate(*asked, **options)
        shown = list(stream(*asked, **options))
    assert shown[-1].answer == answer
    assert answer.regions
    assert [one.answer for one in shown[:-1]] == [None] * (len(shown) - 1)
    assert len(shown) > 2
    for before, after in itertools.pairwise(shown):
        assert len(before.regions) <= len(after.regions)
        if name == "canvas":  # a cell that is drawn stays so
            assert (after.canvas[before.canvas > 0] > 0).all()
    drawn = {number for number, region in enumerate(answer.regions, 1) if region.cells.any()}
    assert set(np.unique(shown[-1].canvas)) - {0} <= drawn
    assert shown[-1].regions == answer.regions
    assert not shown[-1].canvas.flags.writeable


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "maskcodec.hf.stream"]


def test_an_abandoned_stream_stops():
    kind = "qwen2-vl"
    tokens, model, processor = tokens_of(kind, "canvas"), model_of(kind), processor_of(kind)
    answer = tokens.encode(MASK, "dog").tolist()
    script = Script(answer * 60)
    with Leaning(model, script):
        for _ in stream(
            model, processor, IMAGE, QUESTION, tokens, constrain=False, max_new_tokens=2000
        ):
            break
        gc.collect()
        assert threads() == []
        steps = script.at
        assert steps < 1000
        assert script.at == steps
        untouched = stream(model, processor, IMAGE, QUESTION, tokens)
        untouched.close()  # before it has begun
        assert script.at == steps


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_stream_that_its_own_thread_collects():
    kind = "qwen2-vl"
    tokens, model, processor = tokens_of(kind, "canvas"), model_of(kind), processor_of(kind)
    ids = tokens.encode(MASK, "dog").tolist()
    collect, collected = threading.Event(), threading.Event()
    script = Script(ids * 60)

    def change(logits):
        if collect.is_set() and not collected.is_set():
            gc.collect()
            collected.set()
        return script(logits)

    gc.disable()
    try:
        with Leaning(model, change):
            shown = stream(
                model, processor, IMAGE, QUESTION, tokens, constrain=False, max_new_tokens=1500
            )
            next(shown)
            cycle = [shown]
            cycle.append(cycle)
            del shown, cycle
            collect.set()
            assert collected.wait(20)
            for thread in threads():
                thread.join(20)
            assert threads() == []
    finally:
        gc.enable()
    assert script.at < 1000


def test_an_error_in_a_stream_comes_out():
    kind = "qwen2-vl"
    tokens, model, processor = tokens_of(kind, "canvas"), model_of(kind), processor_of(kind)

    def broken(*args):
        del args
        raise ArithmeticError("in the thread")

    shown = stream(model, processor, IMAGE, QUESTION, tokens, logits_processor=[broken])
    with pytest.raises(ArithmeticError, match="in the thread"):
        next(shown)
    assert threads() == []


def test_what_stream_refuses():
    kind = "qwen2-vl"
    tokens, model, processor = tokens_of(kind, "canvas"), model_of(kind), processor_of(kind)
    with pytest.raises(mc.ConfigError, match="stream takes one image and one question"):
        stream(model, processor, IMAGE, [QUESTION], tokens)
    with pytest.raises(mc.ConfigError, match="stream cannot show beams"):
        stream(model, processor, IMAGE, QUESTION, tokens, num_beams=2)
    with pytest.raises(mc.ConfigError, match="there are streams for B-SD with bricks"):
        stream(model, processor, IMAGE, QUESTION, tokens_of(kind, "r-rle"), labels=["dog"])
