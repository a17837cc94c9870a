"""Answers of models, read with a score, whole and as a stream."""

from __future__ import annotations

import gc
import itertools
import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import maskcodec as mc
from tests import vocabularies
from tests.tiny_models import KINDS, tiny_model, tiny_processor

torch = pytest.importorskip("torch", reason="torch is not installed: maskcodec[hf]")
transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed: maskcodec[hf]"
)

from maskcodec.answers import Answer, read_answer  # noqa: E402
from maskcodec.files.photos import as_picture  # noqa: E402
from maskcodec.hf import generate, stream  # noqa: E402
from maskcodec.hf.likelihood import Likelihood  # noqa: E402
from tests.hf.answering import (  # noqa: E402
    IMAGE,
    MASK,
    QUESTION,
    Leaning,
    Script,
    few,
    guide_of,
    model_of,
    processor_of,
    text_ids,
    tokenizer_of,
    tokens_of,
    towards,
)

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
    tokens, model, processor = tokens_of(kind, "scanlines"), model_of(kind), processor_of(kind)
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
    mc.extend_tokenizer(codec, tokenizer_of("qwen2-vl"))
    tokens = mc.TokenCodec(codec, tokenizer_of("qwen2-vl"))
    ids = [*tokens.encode(MASK, "dog").tolist(), *tokens.encode(MASK, "sky").tolist()]
    answer = scripted("qwen2-vl", tokens, [*ids, tokens.tokenizer.eos_token_id])
    assert [region.label for region in answer.regions] == ["dog", "sky"]
    assert tokens.spans(ids)[1][1] == len(ids)
    with pytest.raises(mc.ConfigError, match=r"there are guides for .*B-SD with bricks.*, got BSD"):
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
    "codec",
    [
        mc.BSD(grid=4),
        mc.Scanlines(rows=3, columns=4, bins=12),
        mc.Scanlines(rows=3, bins=12, coordinates="tokens"),
    ],
    ids=["canvas", "scanlines", "places"],
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


@pytest.mark.parametrize("name", ["canvas", "scanlines", "places"])
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
            assert (after.index_map[before.index_map > 0] > 0).all()
    drawn = {number for number, region in enumerate(answer.regions, 1) if region.cells.any()}
    assert set(np.unique(shown[-1].index_map)) - {0} <= drawn
    assert shown[-1].regions == answer.regions
    assert not shown[-1].index_map.flags.writeable


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
    with pytest.raises(
        mc.ConfigError, match=r"there are streams for .*B-SD with bricks.*, got RRLE"
    ):
        stream(model, processor, IMAGE, QUESTION, tokens_of(kind, "r-rle"), labels=["dog"])
