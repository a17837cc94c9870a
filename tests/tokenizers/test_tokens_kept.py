"""Codecs with tokenizers that are used for long: caches, threads, pickles, folders."""

import gc
import pickle
import threading
import time
import tracemalloc

import numpy as np
import pytest

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.kernels import reading, sampling, writing
from tests.conftest import PURE
from tests.tokenizers.token_codecs import MASK, ROUTES, batch, codec_of
from tests.vocabularies import WORDS, encoded, extended, fresh, tokens, wrapped

# ---------------------------------------------------------------- caches, threads, pickles


@pytest.mark.parametrize("name", ["byte-level", "joined"])
def test_what_models_and_users_say_is_not_kept(name):
    codec = tokens(name, mc.BSD(grid=(5, 7)))
    mask = np.eye(5, 7, dtype=int)

    def use(begin, count):
        for k in range(begin, begin + count):
            ids = codec.encode(mask, f"{k} {'x' * 20_000}").tolist()
            codec.decode(ids)
            codec.recover([*ids[:-1], *codec.words.values(), *ids[3:5] * 5_000])

    use(0, 2)
    tracemalloc.start()
    use(2, 3 if PURE else 30)
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 200_000


@pytest.mark.usefixtures("compiled")
def test_caches_of_labels_are_bounded():
    codec = mc.TokenCodec(mc.BSD(grid=(5, 7)), extended("byte-level"))
    mask = np.eye(5, 7, dtype=int)
    codec.decode(codec.encode(mask, "dog"))
    kept = []
    tracemalloc.start()
    for begin in (0, 4_500):
        for k in range(begin, begin + 4_500):
            codec.decode(codec.encode(mask, f"label {k}"))
        gc.collect()
        kept.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert kept[0] < 8_000_000
    assert kept[1] < kept[0] + 500_000


@pytest.mark.parametrize(("name", "kind", "options"), [*ROUTES[:3], ROUTES[5], ROUTES[8]])
@pytest.mark.parametrize("library", ["tokenizers", "transformers"])
def test_threads_do_not_disturb_each_other(name, kind, options, library):
    codec = codec_of(name, kind, options).codec
    tokenizer = extended(name)
    codec = mc.TokenCodec(codec, wrapped(tokenizer) if library == "transformers" else tokenizer)
    random = np.random.default_rng(1)
    masks = random.integers(0, 2, (12, 5, 7), np.uint8)
    labels = [f"{WORDS[k % 4]} {k}" for k in range(12)]
    expected = [
        encoded(tokenizer, codec.codec.encode(*one)) for one in zip(masks, labels, strict=True)
    ]
    failures = []

    def work(seed):
        try:
            for k in np.random.default_rng(seed).permutation(12).tolist() * 3:
                ids = codec.encode(masks[k], labels[k])
                assert ids.tolist() == expected[k]
                (region,) = codec.decode(ids)
                assert np.array_equal(region.mask((5, 7)), masks[k])
                assert batch(codec, masks, labels) == expected
                if codec.codec.has_bricks:
                    stream = codec.stream()
                    assert [stream.push(i) for i in ids][-1].regions == [region]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("library", ["tokenizers", "transformers"])
@pytest.mark.parametrize("kind", [mc.BSD(grid=4), mc.RRLE(grid=4)])
def test_a_pickled_codec_is_the_same(library, kind):
    tokenizer = extended("byte-level")
    codec = mc.TokenCodec(kind, wrapped(tokenizer) if library == "transformers" else tokenizer)
    again = pickle.loads(pickle.dumps(codec))
    assert (again.codec, again.words) == (codec.codec, codec.words)
    ids = codec.encode(MASK, "dog")
    assert again.encode(MASK, "dog").tolist() == ids.tolist()
    assert again.decode(ids) == codec.decode(ids)
    assert type(again.tokenizer) is type(codec.tokenizer)


@pytest.mark.usefixtures("compiled")
def test_kernels_of_ids_are_compiled_once():
    plain = np.stack([MASK, MASK.T]).astype(np.uint8)
    runs = [RunMask.from_mask(mask) for mask in plain]
    kinds = plain, plain.astype(bool), plain.astype(np.int64), np.asfortranarray(plain), runs
    kinds_of_codecs = mc.BSD(grid=4), mc.Scanlines(), mc.Scanlines(rows=3, sampling="nearest")
    for each in kinds_of_codecs:
        codec = tokens("byte-level", each)
        ids = codec.encode(MASK, "dog")
        frozen = ids.copy()
        frozen.flags.writeable = False
        for kind in (ids, ids.tolist(), ids.astype(np.int32), ids.repeat(2)[::2], frozen[:-1]):
            codec.recover(kind)
        for masks in kinds:
            codec.encode_batch(masks, ["dog", "sky"])
            codec.encode(masks[0], "dog")
    used = writing.write_ids, reading.read_instance, reading.scan_ids
    for kernel in (*used, sampling.sample_boxes, sampling.sample_box_runs):
        assert len(kernel.signatures) == 1


# ---------------------------------------------------------------- to a folder and back


@pytest.mark.parametrize("library", ["tokenizers", "transformers"])
@pytest.mark.parametrize("name", ["byte-level", "metaspace"])
@pytest.mark.parametrize("kind", [mc.BSD(grid=4, sampling="keep"), mc.IRLE(grid=4)])
def test_save_and_load(library, name, kind, tmp_path):
    tokenizer = extended(name)
    codec = mc.TokenCodec(kind, wrapped(tokenizer) if library == "transformers" else tokenizer)
    folder = tmp_path / "a" / "checkpoint"
    assert codec.save(folder) == folder
    again = mc.TokenCodec.load(str(folder), ignore=["d"])
    assert again.codec == kind == mc.load(folder)
    assert again.words == codec.words
    assert hasattr(again.tokenizer, "save_pretrained") == (library == "transformers")
    ids = codec.encode(MASK, "dog")
    assert again.encode(MASK, "dog").tolist() == ids.tolist()
    plain = mc.TokenCodec.load(folder)
    assert plain.decode(ids) == codec.decode(ids)
    plain.save(folder)
    assert mc.TokenCodec.load(folder).decode(ids) == codec.decode(ids)


def saved(folder):
    tokens("byte-level", mc.BSD(grid=4)).save(folder)
    return folder


def test_a_missing_file_is_named(tmp_path):
    saved(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        mc.TokenCodec.load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} holds no tokenizer: neither tokenizer.json nor one that transformers saved"
    )
    saved(tmp_path)
    (tmp_path / "maskcodec.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"maskcodec\.json"):
        mc.TokenCodec.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        mc.TokenCodec.load(tmp_path / "nowhere")


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"version": "1.0", "model": 3}'])
def test_a_broken_tokenizer_is_named(tmp_path, content):
    (saved(tmp_path) / "tokenizer.json").write_text(content)
    with pytest.raises(mc.VocabError) as caught:
        mc.TokenCodec.load(tmp_path)
    assert str(caught.value).startswith(f"the tokenizer in {tmp_path} cannot be read: ")


@pytest.mark.parametrize("content", ["", "[]", "not json", '{"tokenizer_class": "Nope"}'])
def test_a_broken_tokenizer_of_transformers_is_named(tmp_path, content):
    pytest.importorskip("transformers", reason="transformers is not installed")
    (saved(tmp_path) / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text(content)
    with pytest.raises(mc.VocabError, match=r"^the tokenizer in .* cannot be read: "):
        mc.TokenCodec.load(tmp_path)


def test_a_broken_codec_is_named(tmp_path):
    (saved(tmp_path) / "maskcodec.json").write_text('{"id": "b-sd/9"}')
    with pytest.raises(mc.ConfigError, match=r"maskcodec\.json: no codec has the id 'b-sd/9'"):
        mc.TokenCodec.load(tmp_path)


def test_a_codec_and_a_tokenizer_that_do_not_fit_are_refused(tmp_path):
    saved(tmp_path)
    mc.BSD(ref_tags=("<a>", "</a>")).save(tmp_path)
    with pytest.raises(mc.VocabError, match=r"^'<a>' is no token of its own but the ids"):
        mc.TokenCodec.load(tmp_path)


@pytest.mark.usefixtures("compiled")
def test_a_batch_lets_other_threads_run():
    """The longest that Python stood still is far less than the batch took."""
    codec = tokens("byte-level", mc.BSD(grid=1024))
    masks = np.zeros((40, 256, 256), np.uint8)
    masks[:, 20:200, 30:220] = 1
    codec.encode_batch(masks[:1], ["dog"])
    ticks = []
    worker = threading.Thread(target=codec.encode_batch, args=(masks, ["dog"] * len(masks)))
    worker.start()
    while worker.is_alive():
        ticks.append(time.perf_counter())
    took = ticks[-1] - ticks[0]
    assert took > 0.03
    assert max(np.diff(ticks)) < took / 2


def without_newlines():
    """As SentencePiece with NMT's rules: a newline becomes a space."""
    from tokenizers import Regex, normalizers

    tokenizer = fresh("unigram")
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    return tokenizer


@pytest.mark.parametrize(
    "codec", [mc.BSD(grid=4), mc.BSD(grid=4, bricks=False), mc.Scanlines(), mc.RRLE(grid=4)]
)
def test_rows_are_told_apart_where_a_newline_becomes_a_space(codec):
    tokenizer = without_newlines()
    mc.extend_tokenizer(codec, tokenizer)
    codec = mc.TokenCodec(codec, tokenizer)
    for mask in (MASK, np.eye(4, dtype=int), np.ones((4, 4), int)):
        ids = codec.encode(mask, "dog")
        assert ids.tolist() == encoded(tokenizer, codec.codec.encode(mask, "dog"))
        assert codec.decode(ids) == codec.codec.decode(codec.codec.encode(mask, "dog"))
        if codec.codec in (mc.BSD(grid=4), mc.Scanlines()):
            stream = codec.stream()
            guide = codec.guide()
            state = guide.start()
            for id_ in ids.tolist():
                state = guide.step(state, id_)
                stream.push(id_)
            assert stream.regions == codec.decode(ids)


def test_a_tokenizer_that_does_not_come_back_as_it_was_is_not_saved_in_silence(tmp_path):
    """Older Llama's way with spaces is a setting that its class does not write."""
    import json

    transformers = pytest.importorskip("transformers", reason="has Llama's tokenizer")
    model = json.loads(fresh("mistral").to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    llama = transformers.LlamaTokenizer(vocab=model["vocab"], merges=merges, legacy=True)
    codec = mc.BSD(grid=4)
    mc.extend_tokenizer(codec, llama)
    tokens = mc.TokenCodec(codec, llama)
    if mc.TokenCodec(codec, llama.backend_tokenizer).encode(MASK, "dog").tolist() != (
        tokens.encode(MASK, "dog").tolist()
    ):
        pytest.skip("this version of transformers reads spaces in another way than it is written")
    try:
        tokens.save(tmp_path)
    except mc.VocabError as error:
        assert "LlamaTokenizer does not write all of its settings" in str(error)
        assert "use tokenizer.backend_tokenizer" in str(error)
    else:
        again = mc.TokenCodec.load(tmp_path)
        assert again.encode(MASK, "dog").tolist() == tokens.encode(MASK, "dog").tolist()
    bare = mc.TokenCodec(codec, llama.backend_tokenizer)
    bare.save(tmp_path / "bare")
    again = mc.TokenCodec.load(tmp_path / "bare")
    assert again.encode(MASK, "dog").tolist() == tokens.encode(MASK, "dog").tolist()


def test_a_tokenizer_without_pieces_writes_and_reads_but_has_no_guide():
    """Its bytes are characters, which is not known here of any vocabulary."""
    transformers = pytest.importorskip("transformers", reason="has ByT5's tokenizer")
    tokenizer = transformers.ByT5Tokenizer()
    codec = mc.BSD(grid=4)
    added = mc.extend_tokenizer(codec, tokenizer)
    assert len(added.added) == 132
    tokens = mc.TokenCodec(codec, tokenizer)
    text = codec.encode(MASK, "犬")
    ids = tokens.encode(MASK, "犬")
    assert ids.tolist() == tokenizer.encode(text, add_special_tokens=False)
    assert tokens.decode(ids) == codec.decode(text)
    with pytest.raises(mc.VocabError, match="a guide needs to know what tokens spell: 'é犬'"):
        tokens.guide()


def test_the_papers_bare_spelling_works_where_its_tokens_are_added():
    tokenizer = fresh("byte-level")
    codec = mc.BSD(grid=4, spelling=("fg{}", "bg{}"))
    mc.extend_tokenizer(codec, tokenizer)
    tokens = mc.TokenCodec(codec, tokenizer)
    ids = tokens.encode(MASK, "dog")
    assert ids.tolist() == encoded(tokenizer, codec.encode(MASK, "dog"))
    assert tokens.decode(ids) == codec.decode(codec.encode(MASK, "dog"))
