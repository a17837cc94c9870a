"""What `prepare_model` does to tokenizers, to models and to folders."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

import maskcodec as mc
from maskcodec.errors import ConfigError, VocabError
from tests.tiny_models import KINDS, SPARE_ROWS, tiny_model, tiny_processor, tiny_tokenizer, torch

if TYPE_CHECKING:
    from pathlib import Path

transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed: maskcodec[hf]"
)

from maskcodec.hf import prepare_model  # noqa: E402
from maskcodec.hf.embeddings import _SPREAD  # noqa: E402

CODEC = mc.BSD(grid=8)


def matrices(model: Any) -> list[Any]:
    return [model.get_input_embeddings(), model.get_output_embeddings()]


def weights(model: Any) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(model: Any, before: dict[str, Any]) -> bool:
    after = model.state_dict()
    return set(after) == set(before) and all(torch.equal(after[k], before[k]) for k in before)


def expected(row_of: Any, tokenizer: Any, word: str, number: str) -> Any:
    """The row of a brick, from what `prepare_model` says of it."""
    pieces = [(i, 1) for i in ids_of(tokenizer, " " + word)]
    digits = ids_of(tokenizer, number)
    pieces += [(i, 2 ** (len(digits) - 1 - place)) for place, i in enumerate(digits)]
    total = sum(share for _, share in pieces)
    return sum(row_of[i] * (share / total) for i, share in pieces)


def ids_of(tokenizer: Any, text: str) -> list[int]:
    ids = tokenizer.encode(text, add_special_tokens=False)
    return [i for i in ids if tokenizer.decode([i]).strip()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("codec", [mc.Scanlines(), mc.RRLE()], ids=["bricks", "rrle"])
def test_only_new_rows_change_and_matrices_never_shrink(kind: str, tied: bool, codec: Any) -> None:
    model, tokenizer = tiny_model(kind, tie_word_embeddings=tied), tiny_tokenizer(kind)
    before, length = weights(model), len(tokenizer)
    rows = length + SPARE_ROWS[kind]
    had = set(tokenizer.get_vocab())
    tokens = prepare_model(model, codec, tokenizer)
    new = sorted(i for word, i in tokens.words.items() if word not in had)
    assert len(tokenizer) == length + len(new)
    assert len(had & set(tokens.words)) == (4 if kind == "internvl" and len(new) > 2 else 0)
    wanted = max(rows, new[-1] + 1)
    old = [i for i in range(rows) if i not in new]
    for layer, name in zip(
        matrices(model), ["model.language_model.embed_tokens", "lm_head"], strict=True
    ):
        weight = layer.weight
        assert weight.shape == (wanted, 32)
        assert weight.requires_grad
        assert torch.equal(weight[old], before[f"{name}.weight"][old])
        assert torch.isfinite(weight).all()
        assert len(torch.unique(weight[new], dim=0)) == len(new)
        changed = [i for i in new if i < rows]
        assert not (weight[changed] == before[f"{name}.weight"][changed]).all(1).any()
    assert (matrices(model)[0].weight is matrices(model)[1].weight) is tied
    rest = [name for name in before if "embed_tokens" not in name and "lm_head" not in name]
    assert all(torch.equal(before[name], model.state_dict()[name]) for name in rest)
    assert model.config.get_text_config().vocab_size == wanted
    assert getattr(model.config, "vocab_size", wanted) == wanted


@pytest.mark.parametrize("kind", ["qwen2.5-vl", "llava-1.5"])
def test_bricks_begin_as_their_word_and_number(kind: str) -> None:
    model, tokenizer = tiny_model(kind, tie_word_embeddings=False), tiny_tokenizer(kind)
    spreads = [layer.weight.detach().std() for layer in matrices(model)]
    tokens = prepare_model(model, mc.Scanlines(coordinates="tokens"), tokenizer)
    for layer, spread in zip(matrices(model), spreads, strict=True):
        rows = layer.weight.detach()
        reach = 5 * _SPREAD * spread
        for word, (name, number) in {
            "<fg:1>": ("foreground", "1"),
            "<fg:12>": ("foreground", "12"),
            "<fg:21>": ("foreground", "21"),
            "<bg:63>": ("background", "63"),
            "<end:0>": ("end of row", "0"),
            "<end:7>": ("end of row", "7"),
            "<loc0>": ("location", "0"),
            "<loc999>": ("location", "999"),
        }.items():
            start = expected(rows, tokenizer, name, number)
            assert (rows[tokens.words[word]] - start).abs().max() < reach, word
        twelve, other = (expected(rows, tokenizer, "foreground", n) for n in ("12", "21"))
        assert (twelve - other).abs().max() > reach
        pieces = ids_of(tokenizer, " start of segmentation")
        assert (rows[tokens.words["<seg>"]] - rows[pieces].mean(0)).abs().max() < reach


def test_mean_begins_in_the_middle_of_all_trained_rows() -> None:
    model, tokenizer = tiny_model("internvl"), tiny_tokenizer("internvl")
    trained = model.get_input_embeddings().weight.detach().clone()
    tokens = prepare_model(model, CODEC, tokenizer, init="mean")
    rows = model.get_input_embeddings().weight.detach()
    reach = 5 * _SPREAD * trained.std()
    for word in "<fg1>", "<bg63>", "<seg>":
        assert (rows[tokens.words[word]] - trained.mean(0)).abs().max() < reach
    assert not torch.equal(rows[tokens.words["<fg1>"]], rows[tokens.words["<fg2>"]])


@pytest.mark.parametrize("kind", ["qwen2-vl", "internvl"])
def test_doing_it_twice_resets_nothing(kind: str, tmp_path: Path) -> None:
    model, tokenizer = tiny_model(kind), tiny_tokenizer(kind)
    words = prepare_model(model, CODEC, tokenizer).words
    with torch.no_grad():  # as if trained
        for layer in matrices(model):
            layer.weight[sorted(words.values())] += 1.0
    before = weights(model)
    assert prepare_model(model, CODEC, tokenizer, init="mean").words == words
    assert same(model, before)
    assert prepare_model(model, CODEC, tiny_tokenizer(kind)).words == words  # not extended yet
    assert same(model, before)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    prepare_model(again, CODEC, tiny_tokenizer(kind), out=tmp_path / "again")
    assert same(again, before)


def test_a_second_codec_gets_only_what_it_has_more() -> None:
    model, tokenizer = tiny_model("qwen2-vl"), tiny_tokenizer("qwen2-vl")
    first = prepare_model(model, CODEC, tokenizer).words
    before = matrices(model)[0].weight.detach().clone()
    codec = mc.Scanlines(bins=90, coordinates="tokens")  # the tags are the same
    second = prepare_model(model, codec, tokenizer).words
    after = matrices(model)[0].weight.detach()
    new = 63 + 63 + 64 + 90
    assert len(second) == 6 + new
    assert len(tokenizer) == max(first.values()) + 1 + new
    assert torch.equal(after[: len(before)], before)
    assert len(after) == len(before) + new


def test_a_tokenizer_that_gives_other_ids_is_refused() -> None:
    model = tiny_model("qwen2-vl")
    prepare_model(model, CODEC, tiny_tokenizer("qwen2-vl"))
    before = weights(model)
    with pytest.raises(VocabError) as caught:
        prepare_model(model, mc.BSD(ref_tags=("<a>", "</a>")), tiny_tokenizer("qwen2-vl"))
    assert str(caught.value) == (
        "the model was prepared with '<ref>' at id 411, where this tokenizer has '<a>' at id 411; "
        "load the tokenizer that was written with it"
    )
    other = tiny_tokenizer("qwen2-vl")
    other.add_tokens(["<mine>"])
    with pytest.raises(VocabError, match=r"with '<ref>' at id 411, where .* has '<ref>' at id 412"):
        prepare_model(model, CODEC, other)
    assert same(model, before)


def test_rows_that_were_lost_are_set_again() -> None:
    model, tokenizer = tiny_model("qwen2-vl"), tiny_tokenizer("qwen2-vl")
    words = prepare_model(model, CODEC, tokenizer).words
    before = matrices(model)[1].weight.detach().clone()
    model.resize_token_embeddings(words["<fg10>"], mean_resizing=False)
    prepare_model(model, CODEC, tokenizer)
    after = matrices(model)[1].weight.detach()
    assert after.shape == before.shape
    assert torch.equal(after[: words["<fg10>"]], before[: words["<fg10>"]])
    assert (after[words["<fg10>"]] - before[words["<fg10>"]]).abs().max() < before.std()


@pytest.mark.parametrize("padding", ["zero", "equal"])
def test_padding_is_recognised_where_the_tokenizer_was_extended_before(padding: str) -> None:
    model, tokenizer = tiny_model("qwen2.5-vl"), tiny_tokenizer("qwen2.5-vl")
    (weight,) = {layer.weight for layer in matrices(model)}
    with torch.no_grad():
        weight[len(tokenizer) :] = 0.0 if padding == "zero" else weight[-1].clone()
    mc.extend_tokenizer(CODEC, tokenizer)
    ids = list(prepare_model(model, CODEC, tokenizer).words.values())
    assert len(torch.unique(weight[ids], dim=0)) == len(ids)
    assert (weight[ids].abs().amax(1) > 1e-4).all()


def test_rows_that_look_trained_are_kept_and_said(caplog: pytest.LogCaptureFixture) -> None:
    model, tokenizer = tiny_model("qwen2.5-vl"), tiny_tokenizer("qwen2.5-vl")
    mc.extend_tokenizer(CODEC, tokenizer)
    before = weights(model)
    with caplog.at_level(logging.WARNING, "maskcodec"):
        prepare_model(model, CODEC, tokenizer)
    assert same(model, before)
    assert [record.getMessage() for record in caplog.records] == [
        "the tokenizer had 126 of the codec's bricks before, whose rows look trained and were "
        "kept; if they never were, start from the model's own tokenizer"
    ]
    caplog.clear()
    prepare_model(tiny_model("internvl"), CODEC, tiny_tokenizer("internvl"))  # only tags
    assert not caplog.records


def test_location_tokens_that_a_model_has_keep_their_rows(caplog: pytest.LogCaptureFixture) -> None:
    codec = mc.Scanlines(bins=9, coordinates="tokens", location="<loc{:04}>", axes="yx")
    model, tokenizer = tiny_model("qwen2-vl"), tiny_tokenizer("qwen2-vl")
    places = [f"<loc{n:04}>" for n in range(9)]
    tokenizer.add_tokens(places)
    rows = len(tokenizer)
    model.resize_token_embeddings(rows, mean_resizing=False)
    with torch.no_grad():  # as if trained
        for layer in matrices(model):
            layer.weight[rows - 9 :] += torch.arange(9)[:, None] + 1
    before = [layer.weight[rows - 9 :].clone() for layer in matrices(model)]
    with caplog.at_level(logging.WARNING, "maskcodec"):
        words = prepare_model(model, codec, tokenizer).words
    assert not caplog.records
    assert [words[place] for place in places] == [*range(rows - 9, rows)]
    for layer, own in zip(matrices(model), before, strict=True):
        assert torch.equal(layer.weight[rows - 9 : rows], own)
        assert len(layer.weight) > rows


def test_tokens_that_the_model_had_no_rows_for_get_some() -> None:
    model, tokenizer = tiny_model("internvl"), tiny_tokenizer("internvl")
    tokenizer.add_tokens(["<mine>", "<yours>"])
    mc.extend_tokenizer(CODEC, tokenizer)
    before = matrices(model)[0].weight.detach().clone()
    tokens = prepare_model(model, CODEC, tokenizer)
    rows = matrices(model)[0].weight.detach()
    mine = tokenizer.convert_tokens_to_ids("<mine>")
    assert len(rows) == max(tokens.words.values()) + 1 > mine >= len(before)
    assert (rows[mine] - before.mean(0)).abs().max() < 5 * _SPREAD * before.std()
    start = expected(rows, tokenizer, "foreground", "3")
    assert (rows[tokens.words["<fg3>"]] - start).abs().max() < 5 * _SPREAD * before.std()


def test_half_precision_biases_and_the_meta_device() -> None:
    model, tokenizer = tiny_model("qwen2-vl").bfloat16(), tiny_tokenizer("qwen2-vl")
    rows = matrices(model)[1].weight.shape[0]
    head = torch.nn.Linear(32, rows, dtype=torch.bfloat16)
    with torch.no_grad():
        head.bias.copy_(torch.arange(rows))
    model.set_output_embeddings(head)
    words = prepare_model(model, CODEC, tokenizer).words
    for layer in matrices(model):
        assert layer.weight.dtype == torch.bfloat16
        assert len(torch.unique(layer.weight[list(words.values())], dim=0)) == len(words)
    bias = matrices(model)[1].bias.detach()
    start = expected(torch.arange(rows), tokenizer, "foreground", "12")
    assert bias[words["<fg12>"]].item() == pytest.approx(start, rel=2**-7)
    with pytest.raises(ConfigError) as caught:
        prepare_model(tiny_model("internvl").to("meta"), CODEC, tiny_tokenizer("internvl"))
    assert str(caught.value) == (
        "the embedding weights are torch.float32 on meta, whose rows cannot be set; load the model "
        "whole and unquantised, and quantise afterwards"
    )


def test_a_bare_tokenizer_without_such_words(tmp_path: Path) -> None:
    pieces = ["[UNK]", "[", "]", "dog", "fore", "##ground", *map(str, range(10))]
    bare = Tokenizer(
        models.WordPiece({piece: k for k, piece in enumerate(pieces)}, unk_token="[UNK]")
    )
    bare.pre_tokenizer, bare.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    config = transformers.Qwen2Config(
        vocab_size=200,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    model = transformers.Qwen2ForCausalLM(config)
    head = torch.nn.Linear(32, 200)
    model.set_output_embeddings(head)
    words = prepare_model(model, CODEC, bare, out=tmp_path / "new" / "made").words
    rows = model.get_input_embeddings().weight.detach()
    reach = 5 * _SPREAD * rows.std()
    ground = (rows[4] + rows[5] + rows[6 + 3]) / 3
    assert (rows[words["<fg3>"]] - ground).abs().max() < reach
    assert (rows[words["<bg3>"]] - rows[6 + 3]).abs().max() < reach  # no such word: the number
    assert (rows[words["<ref>"]] - rows[: len(pieces)].mean(0)).abs().max() < reach
    assert head.bias[words["<ref>"]].item() == pytest.approx(head.bias[: len(pieces)].mean().item())
    assert model.config.vocab_size == 200
    assert mc.TokenCodec.load(tmp_path / "new" / "made").words == words


@pytest.mark.parametrize("kind", KINDS)
def test_the_folder_is_a_checkpoint(kind: str, tmp_path: Path) -> None:
    model, tokenizer = tiny_model(kind), tiny_tokenizer(kind)
    processor = tiny_processor(kind, tokenizer)
    (tmp_path / "made").mkdir()  # an empty one is as good as none
    tokens = prepare_model(model, CODEC, tokenizer, out=tmp_path / "made", processor=processor)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert {path.name for path in (tmp_path / "made").iterdir()} == {
        *("config.json", "generation_config.json", "model.safetensors", "maskcodec.json"),
        *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
        *("processor_config.json", "preprocessor_config.json"),
    }
    folder = tmp_path / "made"
    again = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
    ids = torch.tensor([tokens.encode([[0, 1], [1, 1]], "dog").tolist()])
    with torch.no_grad():
        assert torch.equal(again(input_ids=ids).logits, model(input_ids=ids).logits)
    assert matrices(again)[0].weight.shape == matrices(model)[0].weight.shape
    assert again.generation_config.eos_token_id == tokenizer.eos_token_id
    loaded = mc.TokenCodec.load(folder)
    assert (loaded.words, loaded.codec) == (tokens.words, CODEC)
    assert loaded.tokenizer.chat_template == tokenizer.chat_template
    assert type(processor).from_pretrained(folder).tokenizer.get_vocab() == tokenizer.get_vocab()
    assert model.name_or_path == model.config._name_or_path == str(folder)


def test_an_occupied_or_a_half_written_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = tiny_model("internvl"), tiny_tokenizer("internvl")
    before, size = weights(model), len(tokenizer)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    for taken in tmp_path / "full", tmp_path / "full" / "mine.txt":
        with pytest.raises(ConfigError) as caught:
            prepare_model(model, CODEC, tokenizer, out=taken)
        assert str(caught.value) == (
            f"{taken} is there already, and a checkpoint is not written over anything; delete it "
            "or choose another folder"
        )
    assert same(model, before)
    assert len(tokenizer) == size

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(mc.TokenCodec, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        prepare_model(model, CODEC, tokenizer, out=tmp_path / "made")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
    monkeypatch.undo()
    images = SimpleNamespace(tokenizer=tokenizer, save_pretrained=lambda _: None)
    prepare_model(model, CODEC, tokenizer, out=tmp_path / "made", processor=images)
    assert not (tmp_path / "made" / "preprocessor_config.json").exists()


def test_an_empty_folder_that_must_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, processor = tiny_model("internvl"), tiny_processor("internvl")
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    monkeypatch.chdir(tmp_path / "here")
    for out in ".", tmp_path / "link":
        prepare_model(model, CODEC, processor.tokenizer, out=out, processor=processor)
        assert mc.load(out) == CODEC
        assert (tmp_path / "here" / out / "model.safetensors").exists()
    assert (tmp_path / "link").is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"here", "there", "link"}


def test_what_is_no_model_that_can_be_prepared() -> None:
    model, tokenizer = tiny_model("qwen2-vl"), tiny_tokenizer("qwen2-vl")
    with pytest.raises(ConfigError, match=r"init must be one of 'semantic', 'mean', got 'zero'"):
        prepare_model(model, CODEC, tokenizer, init="zero")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^model must be one of transformers, got str$"):
        prepare_model("Qwen/Qwen2-VL-7B", CODEC, tokenizer)
    with pytest.raises(TypeError, match=r"codec must be one of maskcodec's codecs, got 'b-sd'"):
        prepare_model(model, "b-sd", tokenizer)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"the codec comes before the tokenizer$"):
        prepare_model(model, tokenizer, CODEC)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"tokenizer must be one of transformers or tokenizers"):
        prepare_model(model, CODEC, tiny_processor("qwen2-vl", tokenizer))
    with pytest.raises(ConfigError) as caught:
        prepare_model(model.model, CODEC, tokenizer)
    assert str(caught.value) == (
        "Qwen2VLModel has no language model's head, so it cannot write; load it as "
        "AutoModelForImageTextToText or AutoModelForCausalLM"
    )
    with pytest.raises(ConfigError) as caught:
        prepare_model(model, CODEC, tokenizer, processor=tiny_processor("qwen2-vl"))
    assert str(caught.value) == (
        "the processor has another tokenizer, which would lack the codec's tokens; pass "
        "tokenizer=processor.tokenizer"
    )
    model.peft_config = {}
    with pytest.raises(ConfigError) as caught:
        prepare_model(model, CODEC, tokenizer)
    assert str(caught.value) == (
        "the model has an adapter already; prepare the model first, then add the adapter"
    )


def test_rows_and_checkpoints_of_another_codec_are_refused(tmp_path: Path, caplog: Any) -> None:
    """A folder, a split, a file; how masks are sampled makes no difference."""
    (tmp_path / "rows" / "train").mkdir(parents=True)
    file = tmp_path / "rows" / "train" / "00000.jsonl"
    file.touch()
    mc.BSD(grid=16).save(tmp_path / "rows")
    model, tokenizer = tiny_model("qwen2-vl"), tiny_tokenizer("qwen2-vl")
    for rows in tmp_path / "rows", tmp_path / "rows" / "train", file:
        with pytest.raises(ConfigError) as caught:
            prepare_model(model, CODEC, tokenizer, rows=rows)
        assert str(caught.value).startswith(
            f"{tmp_path / 'rows' / 'maskcodec.json'} and the codec given are not the same codec: "
            "grid=[16, 16] and grid=[8, 8]; "
        )
    with pytest.raises(FileNotFoundError, match="no rows called"):
        prepare_model(model, CODEC, tokenizer, rows=tmp_path / "no")
    mc.BSD(grid=8, sampling="keep").save(tmp_path / "rows")
    out = tmp_path / "prepared"
    prepare_model(model, CODEC, tokenizer, rows=file, out=out)
    with pytest.raises(ConfigError, match=r"the codec given and .*prepared.* grid=\[4, 4\] and"):
        prepare_model(model, mc.BSD(grid=4), tokenizer)
    (tmp_path / "bare.jsonl").touch()
    for _ in range(2):
        prepare_model(model, CODEC, tokenizer, rows=tmp_path / "bare.jsonl")
    said = [record.message for record in caplog.records if "no maskcodec.json" in record.message]
    assert len(said) == 1
    assert f"the rows {tmp_path / 'bare.jsonl'} were written with" in said[0]
