"""Rows to tensors: what is learned, whatever the model, the format and the side of the padding."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

import maskcodec as mc
from maskcodec.data.formats import trainer_rows
from maskcodec.data.rows import Message, Row
from maskcodec.errors import ConfigError, SourceError
from tests.tiny_models import KINDS, tiny_model, tiny_processor, torch

from maskcodec.hf import Collator  # isort: skip
from maskcodec.hf import conversation  # isort: skip

FORMATS = ["ms-swift", "llama-factory", "trl", "llava"]
CODEC = mc.Scanlines()
DRAWN = CODEC.encode(np.pad(np.ones((2, 2), int), 1), "dog")
ANSWERS = [f"Here it is: {DRAWN}", "There is no such thing."]
ENDS = {"llava-1.5": "</s>"}
TURNS = (
    Message("user", "Where is the dog?"),
    Message("assistant", ANSWERS[0]),
    Message("user", "And the cat?"),
    Message("assistant", ANSWERS[1]),
)
TWO = Row("a", "a.png", TURNS)
ONE = Row("b", "b.jpg", TURNS[:2])
BARE = Row("c", "", TURNS[2:])
ROWS = [row for one in (TWO, ONE, BARE) for row in trainer_rows(one, "ms-swift")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    Image.fromarray(noise).save(folder / "a.png")
    Image.new("L", (40, 100), 99).save(folder / "b.jpg")
    return folder


@pytest.fixture(scope="module")
def processors():
    """With the codec's tokens; nobody may change them."""
    found = {kind: tiny_processor(kind) for kind in KINDS}
    for processor in found.values():
        mc.extend_tokenizer(CODEC, processor.tokenizer)
    return found


@pytest.fixture
def processor():
    """One to change."""
    processor = tiny_processor("qwen2-vl")
    mc.extend_tokenizer(CODEC, processor.tokenizer)
    return processor


def runs(labels):
    """The stretches of a row's labels that are learned."""
    found, before = [], -100
    for label in labels.tolist():
        if label != -100:
            if before == -100:
                found.append([])
            found[-1].append(label)
        before = label
    return found


def learned(processor, batch, row=0):
    return [processor.tokenizer.decode(run) for run in runs(batch["labels"][row])]


def squeezed(texts):
    """Without spaces: Llama's kind of tokenizer begins with one, and decodes some more."""
    return [text.replace(" ", "") for text in texts]


def unpadded(batch):
    """The rows without what fills them up."""
    kept = batch["attention_mask"].bool()
    keys = [key for key, value in batch.items() if value.shape == kept.shape]
    return [[batch[key][k, kept[k]].tolist() for key in keys] for k in range(len(kept))]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_and_their_ends_are_learned_and_nothing_else(kind, processors, folder):
    processor = processors[kind]
    batch = Collator(processor, folder=folder)(ROWS)
    end = ENDS.get(kind, "<|im_end|>")
    for row, said in enumerate([ANSWERS, ANSWERS[:1], ANSWERS[1:]]):
        found = learned(processor, batch, row)
        assert squeezed(found) == squeezed(answer + end for answer in said)
        assert kind == "llava-1.5" or found == [answer + end for answer in said]
    assert batch["labels"].dtype == batch["input_ids"].dtype == torch.int64
    at = batch["labels"] != -100
    assert (batch["labels"][at] == batch["input_ids"][at]).all()
    text = processor.tokenizer.decode(batch["input_ids"][0][~at[0]])
    assert "Where is the dog?" in text
    assert "And the cat?" in text
    assert "Here" not in text
    assert "fg2" not in text
    assert "no such" not in text
    drawn = mc.TokenCodec(CODEC, processor.tokenizer).decode(runs(batch["labels"][0])[0])
    assert drawn == CODEC.decode(DRAWN)


@pytest.mark.parametrize("kind", KINDS)
def test_either_side_of_padding_is_the_same_to_the_model(kind, processors, folder):
    right, left = (
        Collator(processors[kind], folder=folder, padding_side=side)(ROWS)
        for side in ("right", "left")
    )
    assert unpadded(right) == unpadded(left)
    assert right["attention_mask"][1, 0] == 1 == left["attention_mask"][1, -1]
    assert right["attention_mask"][1, -1] == 0 == left["attention_mask"][1, 0]
    padding = processors[kind].tokenizer.pad_token_id
    for batch in (right, left):
        filled = batch["attention_mask"] == 0
        assert (batch["input_ids"][filled] == padding).all()
        assert (batch["labels"][filled] == -100).all()
    for name in set(right) - {"input_ids", "attention_mask", "labels", "mm_token_type_ids"}:
        assert (right[name] == left[name]).all()
    model = tiny_model(kind)
    model.resize_token_embeddings(len(processors[kind].tokenizer) + 9)
    with torch.no_grad():
        losses = [float(model(**batch).loss) for batch in (right, left)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_is_the_same_row(kind, processors, folder):
    collate = Collator(processors[kind], folder=folder)
    first, *others = [collate(trainer_rows(ONE, name)) for name in FORMATS]
    for other in others:
        assert first.keys() == other.keys()
        assert all((first[key] == other[key]).all() for key in first)
    # TRL has a row for each answer, and learns the last one.
    both = collate(trainer_rows(TWO, "trl"))
    assert [len(runs(labels)) for labels in both["labels"]] == [1, 1]
    whole = collate(trainer_rows(TWO, "llava"))
    assert [run for labels in both["labels"] for run in runs(labels)] == runs(whole["labels"][0])
    assert (both["input_ids"][1] == whole["input_ids"][0]).all()


def test_rows_as_datasets_hands_them_over(processors, folder):
    # Columns of one type, images with their bytes, and fields that a row does not have as None.
    text = {"type": "text", "text": "Where is the dog?"}
    row = {
        "prompt": [{"role": "user", "content": [{"type": "image", "text": None}, text]}],
        "completion": [{"role": "assistant", "content": [{"type": "text", "text": ANSWERS[0]}]}],
        "images": [{"bytes": (folder / "b.jpg").read_bytes(), "path": None}],
        "messages": None,
    }
    collate = Collator(processors["qwen2-vl"], folder=folder)
    want, other = collate(trainer_rows(ONE, "trl")), collate([row])
    assert all((want[key] == other[key]).all() for key in want)
    row["images"] = [{"bytes": None, "path": "b.jpg"}]
    assert (collate([row])["pixel_values"] == want["pixel_values"]).all()


def test_images_come_in_several_ways_and_are_loaded_once(processors, folder, monkeypatch):
    collate = Collator(processors["qwen2-vl"], folder=folder)
    want = collate(trainer_rows(ONE, "ms-swift"))
    part = {"type": "text", "text": "Where is the dog?"}
    for image in (folder / "b.jpg", str(folder / "b.jpg"), Image.open(folder / "b.jpg")):
        for content, rest in [
            ("<image>Where is the dog?", {"images": [image]}),
            ("<image>Where is the dog?", {"image": image}),
            ([{"type": "image"}, part], {"images": [image]}),
            ([{"type": "image", "image": image}, part], {"images": []}),
            ([{"type": "image", "path": image}, part], {}),
        ]:
            said = [("user", content), ("assistant", ANSWERS[0])]
            row = {"messages": [{"role": role, "content": text} for role, text in said], **rest}
            batch = collate([row])
            assert all((want[key] == batch[key]).all() for key in want)
    opened = []
    real = conversation.opened_image
    monkeypatch.setattr(
        conversation, "opened_image", lambda path, *rest: opened.append(path) or real(path, *rest)
    )
    collate(trainer_rows(TWO, "trl") + trainer_rows(TWO, "llava"))
    assert opened == [folder / "a.png"]


def test_an_image_is_turned_as_viewers_show_it(processors, tmp_path):
    picture = Image.new("RGB", (112, 56))
    exif = picture.getexif()
    exif[0x0112] = 6  # a camera held upright
    picture.save(tmp_path / "b.jpg", exif=exif)
    batch = Collator(processors["qwen2-vl"], folder=tmp_path)(trainer_rows(ONE, "ms-swift"))
    assert batch["image_grid_thw"].tolist() == [[1, 8, 4]]  # as high as it was wide


@pytest.mark.parametrize("kind", KINDS)
def test_images_in_several_turns(kind, processors, folder):
    said = [
        ("user", "<image>Where is the dog?"),
        ("assistant", ANSWERS[0]),
        ("user", "And in <image> and <image>?"),
        ("assistant", ANSWERS[1]),
    ]
    messages = [{"role": role, "content": content} for role, content in said]
    row = {"messages": messages, "images": ["a.png", "b.jpg", "a.png"]}
    batch = Collator(processors[kind], folder=folder)([row, *ROWS])
    found = learned(processors[kind], batch)
    end = ENDS.get(kind, "<|im_end|>")
    assert squeezed(found) == squeezed(answer + end for answer in ANSWERS)
    again = Collator(processors[kind], folder=folder)([row])
    assert learned(processors[kind], again) == found


def test_text_alone(processors):
    batch = Collator(processors["internvl"])([*trainer_rows(BARE, "llava"), ROWS[2]])
    assert set(batch) == {"input_ids", "attention_mask", "labels"}
    assert (batch["labels"][0] == batch["labels"][1]).all()


def test_a_system_message_is_not_learned(processors):
    said = [("system", "Be brief."), ("user", "Hello?"), ("assistant", "Yes.")]
    row = {"conversations": [{"from": role, "value": text} for role, text in said]}
    for kind in KINDS:
        batch = Collator(processors[kind])([row])
        (answer,) = learned(processors[kind], batch)
        assert answer.lstrip(" ") == "Yes." + ENDS.get(kind, "<|im_end|>")


def test_rows_that_are_too_long(processors, folder):
    processor = processors["qwen2-vl"]
    whole = Collator(processor, folder=folder)(ROWS)
    length = int(whole["attention_mask"][0].sum())
    assert whole["input_ids"].shape[1] == length
    same = Collator(processor, folder=folder, max_length=length)(ROWS)
    assert (same["labels"] == whole["labels"]).all()
    message = rf"row 0 of the batch has {length} tokens, but max_length is {length - 1}; raise max_"
    with pytest.raises(SourceError, match=message):
        Collator(processor, folder=folder, max_length=length - 1)(ROWS)
    second = int(whole["attention_mask"][1].sum())
    most = length - 3
    assert second < most
    for side in ("right", "left"):
        cutting = Collator(
            processor, folder=folder, max_length=most, too_long="cut", padding_side=side
        )
        cut = cutting(ROWS)
        assert cut["input_ids"].shape == cut["labels"].shape == (3, most)
        assert unpadded(cut)[1:] == unpadded(whole)[1:]
        assert unpadded(cut)[0] == [values[:most] for values in unpadded(whole)[0]]
        assert (cut["pixel_values"] == whole["pixel_values"]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_no_image_is_cut(kind, processors, folder):
    processor = processors[kind]
    rows = ROWS[1:2]
    whole = Collator(processor, folder=folder)(rows)
    image = (whole["input_ids"][0] == processor.image_token_id).nonzero()
    first = int((whole["labels"][0] != -100).nonzero()[0])
    last = int(image[-1])
    for most in {1, int(image[0]), last, last + 1, first, first + 1, first + 9}:
        cutting = Collator(processor, folder=folder, max_length=most, too_long="cut")
        if most > first:
            assert cutting(rows)["input_ids"].shape == (1, most)
            continue
        message = "which would cut an image" if most <= last else "which would (leave noth|cut an)"
        with pytest.raises(SourceError, match=message):
            cutting(rows)


def test_a_text_that_is_too_long_for_its_answer(processors):
    cutting = Collator(processors["qwen2-vl"], max_length=3, too_long="cut")
    with pytest.raises(SourceError, match="which would leave nothing of the answer"):
        cutting([ROWS[2]])


USER, SAID = {"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There."}
IMAGE = {"role": "user", "content": "<image>Where?"}


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ("text", TypeError, "row 0 of the batch must be a dict, as maskcodec build writes it; got"),
        ({"text": "?"}, SourceError, r"has the fields \['text'\]; expected are messages"),
        ({"prompt": "?", "completion": "!"}, SourceError, "prompt must be a list of messages"),
        ({"messages": 3}, SourceError, "messages must be a list of messages, got 3"),
        ({"messages": ["Where?"]}, SourceError, "message 0 must be a dict with role and content"),
        ({"messages": [{"content": ""}]}, SourceError, "has the role None, expected one of"),
        ({"messages": [{"role": "tool"}]}, SourceError, "has the role 'tool', expected one of"),
        ({"messages": [{"role": "user"}]}, SourceError, "message 0: content must be a list"),
        ({"messages": [USER]}, SourceError, "has no answer of the assistant's to learn"),
        ({"prompt": [USER, SAID], "completion": [USER]}, SourceError, "has no answer"),
        ({"messages": [IMAGE, SAID]}, SourceError, "has 0 images, but 1 place for them"),
        ({"messages": [USER, SAID], "image": "a.png"}, SourceError, "1 image, but 0 places for it"),
        (
            {"messages": [USER, {**SAID, "content": "<image>"}], "images": ["a.png"]},
            SourceError,
            "message 1: an answer cannot have an image",
        ),
        (
            {"messages": [{**USER, "content": [{"type": "video"}]}, SAID]},
            SourceError,
            r"has the part \{'type': 'video'\}, expected an image or a text",
        ),
        ({"messages": [{**USER, "content": ["?"]}, SAID]}, SourceError, "has the part '?'"),
        (
            {"messages": [{**USER, "content": [{"type": "text", "text": None}]}, SAID]},
            SourceError,
            "has the part",
        ),
        ({"messages": [IMAGE, SAID], "images": [3]}, TypeError, "an image is a path or of Pillow"),
        (
            {"messages": [IMAGE, SAID], "images": ["no.png"]},
            SourceError,
            r"no\.png is missing; Collator\(folder=...\) says where",
        ),
        (
            {"messages": [IMAGE, SAID], "images": [{"bytes": b"none"}]},
            SourceError,
            "row 0 of the batch: the image in it is not a PNG, JPEG, BMP, WEBP or TIFF image",
        ),
        (
            {"messages": [IMAGE, SAID], "images": b"none"},
            SourceError,
            "row 0 of the batch: the image in it is not a PNG, JPEG, BMP, WEBP or TIFF image",
        ),
        ({"messages": [IMAGE, SAID], "images": 5}, TypeError, "an image is a path or of Pillow"),
        ({"messages": [{**SAID, "role": ["user"]}]}, SourceError, r"has the role \['user'\]"),
        (
            {"messages": [{**USER, "content": "the <|image_pad|> there"}, SAID]},
            SourceError,
            r"row 0 of the batch, message 0: the text holds '<\|image_pad\|>', which stands for",
        ),
    ],
)
def test_rows_that_cannot_be_used(row, error, message, processors, folder):
    with pytest.raises(error, match=message):
        Collator(processors["qwen2-vl"], folder=folder)([row])


def test_an_image_that_would_turn_white_is_refused(processors, tmp_path):
    deep = Image.fromarray(np.full((56, 56), 3000, np.uint16))
    deep.save(tmp_path / "deep.png")
    collator = Collator(processors["qwen2-vl"], folder=tmp_path)
    with pytest.raises(TypeError, match="the mode I;16, expected 8 bits a channel"):
        collator([{"messages": [IMAGE, SAID], "images": [deep]}])
    with pytest.raises(SourceError, match=r"deep\.png is not an image .* mode I;16"):
        collator([{"messages": [IMAGE, SAID], "images": ["deep.png"]}])


def test_no_rows(processors):
    with pytest.raises(SourceError, match="a batch needs at least one row"):
        Collator(processors["qwen2-vl"])([])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_length": 0}, "max_length must be at least 1, or None, got 0"),
        ({"too_long": "drop"}, "too_long must be one of 'raise', 'cut', got 'drop'"),
        ({"padding_side": "top"}, "padding_side must be one of 'left', 'right', got 'top'"),
    ],
)
def test_settings_that_do_not_exist(settings, message, processors):
    with pytest.raises(ConfigError, match=message):
        Collator(processors["qwen2-vl"], **settings)


def test_what_is_no_processor(processor):
    with pytest.raises(ConfigError, match=r"got Tokeniz.* without tokenizer"):
        Collator(processor.tokenizer)
    processor.tokenizer.pad_token = None
    with pytest.raises(ConfigError, match=r"no token to fill rows up with; set tokenizer\.pad_tok"):
        Collator(processor)


def test_a_collator_goes_to_other_processes(processors, folder):
    collate = Collator(processors["internvl"], folder=folder)
    again = pickle.loads(pickle.dumps(collate))
    assert unpadded(again(ROWS)) == unpadded(collate(ROWS))


# Templates of other kinds

HEADER = "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' }}"
WORDS = "{%- for part in message.content %}{{- part.text | default('<|image_pad|>') }}{%- endfor %}"
END = "{{- '<|im_end|>\\n' }}{%- endfor %}"
ASKED = "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
MARKED = (
    "{%- if message.role == 'assistant' %}{%- generation %}"
    + WORDS
    + "{%- endgeneration %}{%- else %}"
    + WORDS
    + "{%- endif %}"
)
# Mistral's kind: what stands first depends on how many turns there are.
COUNTED = "{{- messages | length }}"


def said_by(processor, template, rows, folder="."):
    processor.chat_template = template
    batch = Collator(processor, folder=folder)(rows)
    return learned(processor, batch)


def test_a_template_that_trims(processor):
    trimming = WORDS.replace("part.text |", "part.text | trim |")
    row = {"messages": [USER, {**SAID, "content": " There. \n"}]}
    assert said_by(processor, HEADER + trimming + END + ASKED, [row]) == ["There.<|im_end|>"]
    kept = said_by(processor, HEADER + WORDS + END + ASKED, [row])
    assert kept == [" There. \n<|im_end|>"]
    spaced = HEADER + WORDS + "{{- ' ' }}" + END + ASKED
    assert said_by(processor, spaced, [{"messages": [USER, SAID]}]) == ["There. <|im_end|>"]


def test_a_template_that_does_not_ask_for_the_answer(processor):
    # The header would be learned as if the model had to write it.
    with pytest.raises(
        ConfigError, match=r"message 1: the chat template writes the answer, or wha"
    ):
        said_by(processor, HEADER + WORDS + END, [{"messages": [USER, SAID]}])


def test_a_template_that_changes_what_was_said_before(processor, folder):
    with pytest.raises(ConfigError, match=r"or that puts \{% generation %\} around answers"):
        said_by(processor, COUNTED + HEADER + WORDS + END + ASKED, ROWS, folder)


@pytest.mark.parametrize("as_dict", [False, True])
def test_a_template_that_marks_its_answers(as_dict, processor, folder):
    template = COUNTED + HEADER + MARKED + END + ASKED
    template = {"default": template, "other": ""} if as_dict else template
    want = [answer + "<|im_end|>" for answer in ANSWERS]
    assert said_by(processor, template, ROWS, folder) == want
    assert said_by(processor, template, trainer_rows(TWO, "trl")[1:], folder) == want[1:]


def test_a_mark_that_has_the_end_or_no_end_at_all(processor):
    row = {"messages": [USER, SAID]}
    ended = MARKED.replace("{%- endgen", "{{- '<|im_end|>' }}{%- endgen")
    assert said_by(processor, COUNTED + HEADER + ended + ASKED + "{%- endfor %}", [row]) == [
        "There.<|im_end|>"
    ]
    assert said_by(processor, COUNTED + HEADER + MARKED + "{%- endfor %}", [row]) == ["There."]
    plain = COUNTED + HEADER + MARKED + "{{- '\\n' }}{%- endfor %}"
    assert said_by(processor, plain, [row]) == ["There."]


def test_marks_that_are_missing(processor):
    other = MARKED.replace("'assistant'", "'nobody'")
    with pytest.raises(ConfigError, match=r"has 1 answer, but the chat template's \{% generation"):
        said_by(processor, COUNTED + HEADER + other + END, [{"messages": [USER, SAID]}])


def test_a_template_and_a_tokenizer_without_an_end(processor):
    endless = HEADER + WORDS + "{{- '\\n' }}{%- endfor %}" + ASKED
    row = {"messages": [USER, SAID, USER, {**SAID, "content": "No."}]}
    assert said_by(processor, endless, [row]) == ["There.<|im_end|>", "No.<|im_end|>"]
    # What stands between two turns is the template's own.
    ids = Collator(processor)([row])["input_ids"][0]
    assert processor.tokenizer.decode(ids).count("<|im_end|>\n<|im_start|>user") == 1
    processor.tokenizer.eos_token = None
    with pytest.raises(ConfigError, match=r"has no eos_token to put there; set tokenizer\.eos_to"):
        said_by(processor, endless, [row])


def test_a_tokenizer_that_joins_the_answer_with_what_stands_before(processor):
    joining = HEADER.replace("\\n", "\\nthe do") + WORDS + END + ASKED.replace("\\n", "\\nthe do")
    with pytest.raises(ConfigError, match=r"the tokenizer joins 'g<\|im_end\|>' with the chat"):
        said_by(processor, joining, [{"messages": [USER, {**SAID, "content": "g"}]}])


def test_a_template_that_begins_with_the_tokenizers_own_token(folder):
    processor = tiny_processor("llava-1.5")
    want = Collator(processor, folder=folder)(ROWS)
    processor.chat_template = "{{- bos_token }}" + processor.chat_template
    again = Collator(processor, folder=folder)(ROWS)
    assert int((again["input_ids"] == processor.tokenizer.bos_token_id).sum()) == len(ROWS)
    assert learned(processor, again) == learned(processor, want)


def test_an_image_of_pillow_keeps_its_pixels(processors):
    buffer = io.BytesIO()
    Image.new("RGBA", (56, 56), (1, 2, 3, 9)).save(buffer, "PNG")
    row = {"messages": [IMAGE, SAID], "images": [{"bytes": buffer.getvalue()}]}
    batch = Collator(processors["qwen2-vl"])([row])
    assert batch["image_grid_thw"].tolist() == [[1, 4, 4]]


def test_rows_of_another_codec_are_refused(processor, tmp_path):
    rows = tmp_path / "rows"
    mc.BSD().save(rows)
    tokens = mc.TokenCodec(CODEC, processor.tokenizer)
    for codec in CODEC, tokens:
        with pytest.raises(ConfigError) as caught:
            Collator(processor, codec=codec, rows=rows)
        assert "and the model's codec are not the same codec: id='b-sd/1' and id='scanlines/1'" in (
            str(caught.value)
        )
    with pytest.raises(ConfigError, match="rows= has nothing to be compared with; pass codec="):
        Collator(processor, rows=rows)
    processor.tokenizer.name_or_path = str(tokens.save(tmp_path / "prepared"))
    with pytest.raises(ConfigError, match=r"prepared/maskcodec\.json are not the same codec"):
        Collator(processor, rows=str(rows))
    CODEC.save(rows)
    Collator(processor, rows=rows)
    Collator(processor, codec=tokens, rows=rows)
