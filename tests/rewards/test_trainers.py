"""Each trainer's function, called as that trainer calls it."""

import importlib.util
import json
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from tokenizers import AddedToken, Tokenizer

import maskcodec as mc
from maskcodec.rewards import MaskReward, load, trainers
from maskcodec.rewards.folder import VARIABLE
from maskcodec.rewards.trainers import for_easyr1, for_verl
from maskcodec.rewards.trainers.for_trl import mask_reward
from tests.rewards.test_reward import CODEC, HALF, ROW
from tests.vocabularies import tokens

FOLDER = Path(*trainers.__path__)
WANT = MaskReward(CODEC)(ROW, HALF)
TARGETS = json.dumps(HALF)
BAD = "no mask"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """As `maskcodec build` writes one, and as `prepare_model` does."""
    base = tmp_path_factory.mktemp("folders")
    CODEC.save(base / "rows")
    tokens("byte-level", CODEC).save(base / "checkpoint")
    return base


@pytest.fixture(params=["rows", "checkpoint"])
def folder(request, folders, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(folders / request.param))
    return folders / request.param


@pytest.fixture
def checkpoint(folders, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(folders / "checkpoint"))
    return folders / "checkpoint"


@pytest.fixture(scope="module")
def special(tmp_path_factory):
    """A checkpoint whose tags are special tokens, as those of Qwen and InternVL are."""
    path = tmp_path_factory.mktemp("special")
    tokenizer = Tokenizer.from_str(tokens("byte-level", CODEC).tokenizer.to_str())
    tags = [AddedToken(f"<|{k}|>", special=True, normalized=False) for k in range(4)]
    tokenizer.add_special_tokens(tags)
    names = [tag.content for tag in tags]
    codec = mc.BSD(grid=8, ref_tags=tuple(names[:2]), box_tags=tuple(names[2:]))
    mc.TokenCodec(codec, tokenizer).save(path)
    return path


def by_path(name):
    """A file as trainers load it, without its package."""
    spec = importlib.util.spec_from_file_location("reward_file", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ids_of(text):
    return tokens("byte-level", CODEC).tokenizer.encode(text, add_special_tokens=False).ids


def test_no_file_takes_the_place_of_a_package_for_others():
    names = {path.stem for path in FOLDER.iterdir() if path.suffix == ".py"} - {"__init__"}
    assert names == {f"for_{name}" for name in ("trl", "swift", "verl", "easyr1", "openrlhf")}


def test_the_reward_of_a_folder(folders, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(mc.ConfigError) as caught:
        load()
    assert str(caught.value) == (
        "nothing says which codec answers are written with: set the environment variable MASKCODEC "
        "to a folder with a maskcodec.json, or pass codec= where the trainer has arguments for "
        "rewards"
    )
    assert load(folders / "rows").tokens is None
    assert load(folders / "checkpoint").tokens.codec == CODEC
    assert load(folders / "rows") is load(str(folders / "rows"))
    with pytest.raises(FileNotFoundError, match=r"there is no .*maskcodec\.json"):
        load(folders)


def test_trl(folder):
    logged = {}
    columns = {"prompts": ["q"] * 3, "trainer_state": None, "log_extra": None}
    call = partial(mask_reward, **columns, targets=[TARGETS, "[]", None])
    answers = [ROW, BAD, ROW]
    ids = [ids_of(text) for text in answers]
    for completions in (answers, [[{"role": "assistant", "content": text}] for text in answers]):
        found = call(completions=completions, completion_ids=ids, log_metric=logged.__setitem__)
        assert found == [WANT["total"], 1.0, None]
    assert logged["mask/iou"] == (WANT["iou"] + 1) / 2
    if folder.name == "checkpoint":  # the ids say what the answer is, whatever is left of its text
        assert call(completions=[BAD] * 3, completion_ids=ids) == found
    assert call(completions=[BAD, ROW, ROW], completion_ids=None)[0] == 0
    assert mask_reward(["x"], targets=[None], log_metric=logged.__setitem__) == [None]


def test_trl_with_a_reward_of_its_own():
    only = partial(mask_reward, reward=MaskReward(CODEC, weights={"box": 1}))
    assert only(prompts=["q"], completions=[ROW], completion_ids=[[1]], targets=[HALF]) == [0.5]


def test_rows_without_targets_are_refused(folder):  # noqa: ARG001 (sets the variable)
    with pytest.raises(mc.ConfigError) as caught:
        mask_reward(prompts=["q"], completions=[ROW], completion_ids=[ids_of(ROW)])
    assert str(caught.value) == (
        'rows have no column "targets", which answers are compared with: build them with '
        "maskcodec build --targets, and let the trainer keep the column"
    )


class Orm:
    """The base as ms-swift 4.6 has it."""

    def __init__(self, args=None, **_):
        self.args = args


def test_swift(folder, monkeypatch):
    rewards = ModuleType("swift.rewards")
    rewards.orms, rewards.ORM = {}, Orm
    monkeypatch.setitem(sys.modules, "swift", ModuleType("swift"))
    monkeypatch.setitem(sys.modules, "swift.rewards", rewards)
    by_path("for_swift")
    orm = rewards.orms["mask"](args=None)
    answers, columns = [ROW, BAD, ROW], {"messages": [], "trainer_state": None, "solution": [1]}
    for ids in (None, [[ids_of(text)] for text in answers], [*map(ids_of, answers)], [[]] * 3):
        more = {} if ids is None else {"response_token_ids": ids}
        found = orm(answers, targets=[TARGETS, "[]", None], **more, **columns)
        assert found == [WANT["total"], 1.0, None]
    if folder.name == "checkpoint":
        turns = [[ids_of(BAD), ids_of(ROW)]]
        assert orm([BAD], targets=[HALF], response_token_ids=turns) == [WANT["total"]]
    with pytest.raises(mc.ConfigError, match='rows have no column "targets"'):
        orm(answers, **columns)


def test_verl(checkpoint, monkeypatch):
    call = partial(
        by_path("for_verl").compute_score, data_source="refcoco", extra_info={"index": 1}
    )
    want = {**WANT, "score": WANT["total"]}
    del want["total"]
    assert call(solution_str=ROW, ground_truth=TARGETS) == want
    monkeypatch.delenv(VARIABLE)
    found = call(solution_str=ROW, ground_truth=TARGETS, codec=str(checkpoint), num_workers=1)
    assert found == want
    assert call(solution_str=BAD, ground_truth="[]", codec=str(checkpoint))["score"] == 1
    with pytest.raises(TypeError, match="targets must be a list"):
        call(solution_str=ROW, ground_truth=None, codec=str(checkpoint))


def test_easyr1(checkpoint):
    module = by_path("for_easyr1")
    assert (module.REWARD_NAME, module.REWARD_TYPE) == ("mask", "batch")
    inputs = [
        {"response": text, "response_length": 9, "ground_truth": TARGETS} for text in (ROW, BAD)
    ]
    found = module.compute_score(inputs, codec=str(checkpoint))
    want = {**WANT, "overall": WANT["total"]}
    del want["total"]
    assert found[0] == want
    assert set(found[1].values()) == {0.0}


def test_erased_words_are_found_before_any_answer_is_scored(folders, special):
    """What verl and EasyR1 hand over of an answer has none of the tags that are special."""
    verl = partial(for_verl.compute_score, "data", ROW, TARGETS)
    easyr1 = partial(for_easyr1.compute_score, [{"response": ROW, "ground_truth": TARGETS}])
    both = (
        "; or set both worker.reward.skip_special_tokens and "
        "worker.reward.reward_function_kwargs.skip_special_tokens to false"
    )
    for call, name, remedy in ((verl, "verl", ""), (easyr1, "EasyR1", both)):
        with pytest.raises(mc.VocabError) as caught:
            call(codec=str(special))
        assert str(caught.value) == (
            f"{name} erases special tokens, and '<|0|>', '<|1|>', '<|2|>', '<|3|>' are some: no "
            "mask would be left of an answer. Use a codec whose tags are no special tokens: "
            f"maskcodec.extend_tokenizer adds its words as ordinary ones{remedy}"
        )
        with pytest.raises(mc.ConfigError) as caught:
            call(codec=str(folders / "rows"))
        assert str(caught.value) == (
            f"{name} erases special tokens, and whether any word of b-sd/1 is one depends on the "
            "tokenizer: name a folder that has it as well, such as the one that "
            f"maskcodec.hf.prepare_model writes{remedy}"
        )
    for folder in (special, folders / "rows"):
        assert easyr1(codec=str(folder), skip_special_tokens=False)


PROMPT = "<|im_start|>user\n<img>Segment the dog.<|im_end|>\n<|im_start|>assistant\n"


def openrlhf(queries, prompts, labels):
    torch = pytest.importorskip("torch")
    found = by_path("for_openrlhf").reward_func(queries, prompts, labels)
    assert set(found) == {"rewards", "scores", "extra_logs"}
    assert found["rewards"].dtype == torch.float32
    assert torch.equal(found["rewards"], found["scores"])
    return found


def test_openrlhf(folder):
    end = "<eos>" if folder.name == "checkpoint" else ""
    found = openrlhf([PROMPT + ROW + end, PROMPT + BAD], [PROMPT] * 2, [TARGETS] * 2)
    assert found["rewards"].tolist() == pytest.approx([WANT["total"], 0])
    assert found["extra_logs"]["iou"].tolist() == [0.5, 0]
    assert set(found["extra_logs"]) == {*WANT} - {"total"}


def test_openrlhf_finds_the_answer_behind_images_and_earlier_ones(checkpoint):  # noqa: ARG001
    wide = PROMPT.replace("<img>", "<img>" * 64)
    for prompt, expanded in (
        (PROMPT, wide),
        (ROW + PROMPT, ROW + wide),  # a mask of an earlier turn is no answer
        (PROMPT + ROW + PROMPT, wide + ROW + wide),
        ("\n" * 99 + PROMPT, PROMPT),  # cut at its beginning
    ):
        for answer, want in ((ROW, WANT["total"]), (BAD, 0)):
            found = openrlhf([expanded + answer], [prompt], [HALF])
            assert found["rewards"].tolist() == pytest.approx([want])
    for query in ("", BAD, PROMPT[:-1]):
        with pytest.raises(mc.ConfigError, match="a query must have the end of its prompt"):
            openrlhf([query], [PROMPT], [HALF])


def test_openrlhf_passes_over_the_end_of_a_text(tmp_path, monkeypatch):
    """It stands in the query; to a format of labels ``|`` would be a mark."""
    codec = mc.ISD(grid=2)
    tokenizer = Tokenizer.from_str(tokens("byte-level", codec).tokenizer.to_str())
    tokenizer.add_special_tokens([AddedToken("<|im_end|>", special=True, normalized=False)])
    mc.TokenCodec(codec, tokenizer).save(tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert openrlhf([f"{PROMPT}No.<|im_end|>"], [PROMPT], ["[]"])["rewards"].tolist() == [1]
