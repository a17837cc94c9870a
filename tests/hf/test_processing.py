"""The image-only processor: the family's own in all but the video processor."""

import json
import pickle

import numpy as np
import pytest
from PIL import Image

from maskcodec.errors import ConfigError
from tests.tiny_models import tiny_model, tiny_processor, tiny_tokenizer, transformers

from maskcodec.hf import ImageOnlyProcessor  # isort: skip

FAMILIES = {"qwen2-vl": "Qwen2VL", "qwen2.5-vl": "Qwen2_5_VL", "internvl": "InternVL"}


def picture():
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    return Image.fromarray(noise)


def tensors(processor):
    said = {"type": "image", "image": picture()}, {"type": "text", "text": "Where is the dog?"}
    return processor.apply_chat_template(
        [{"role": "user", "content": list(said)}],
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        add_generation_prompt=True,
    )


def same(first, second):
    return first.keys() == second.keys() and all((first[k] == second[k]).all() for k in first)


@pytest.mark.parametrize("kind", FAMILIES)
def test_it_is_the_familys_and_its_model_reads_what_it_makes(kind):
    processor = tiny_processor(kind)
    assert isinstance(processor, ImageOnlyProcessor)
    assert isinstance(processor, getattr(transformers, f"{FAMILIES[kind]}Processor"))
    made = tensors(processor)
    kinds = {"image_grid_thw", "mm_token_type_ids"} if "qwen" in kind else set()
    assert set(made) == {"input_ids", "attention_mask", "pixel_values"} | kinds
    images = int((made["input_ids"] == processor.image_token_id).sum())
    assert images == (6 if kinds else 4 * len(made["pixel_values"]))
    if kinds:
        assert int(made["mm_token_type_ids"].sum()) == images
    assert tiny_model(kind)(**made).logits.isfinite().all()


@pytest.mark.parametrize("kind", FAMILIES)
def test_saved_and_read_again_or_pickled_it_is_the_same(kind, tmp_path):
    processor = tiny_processor(kind)
    processor.save_pretrained(tmp_path)
    again = ImageOnlyProcessor.from_pretrained(tmp_path)
    assert type(again) is type(processor)
    assert same(tensors(processor), tensors(again))
    assert same(tensors(processor), tensors(pickle.loads(pickle.dumps(processor))))


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_folder_names_the_familys_own_processors(kind, tmp_path):
    tiny_processor(kind).save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "processor_config.json").read_text())
    assert saved["processor_class"] == f"{FAMILIES[kind]}Processor"
    assert hasattr(transformers, saved["image_processor"]["image_processor_type"] + "Pil")
    video = saved["video_processor"]
    assert video["video_processor_type"] in {"Qwen2VLVideoProcessor", "InternVLVideoProcessor"}
    assert video["image_mean"] == saved["image_processor"]["image_mean"]
    assert ("size" in video) == (kind == "internvl")
    assert (video.get("patch_size") == 14) == ("qwen" in kind)


def test_a_checkpoints_video_processor_is_kept(tmp_path):
    tiny_processor("qwen2-vl").save_pretrained(tmp_path)
    config = tmp_path / "processor_config.json"
    saved = json.loads(config.read_text())
    saved["video_processor"]["max_frames"] = 7
    config.write_text(json.dumps(saved))
    again = ImageOnlyProcessor.from_pretrained(tmp_path)
    assert again.to_dict()["video_processor"]["max_frames"] == 7
    del saved["video_processor"]  # as older checkpoints have it
    config.write_text(json.dumps(saved))
    (tmp_path / "video_preprocessor_config.json").write_text('{"max_frames": 8}')
    again = ImageOnlyProcessor.from_pretrained(tmp_path)
    assert again.to_dict()["video_processor"] == {"max_frames": 8}


def test_the_models_config_says_the_family_where_no_processor_was_saved(tmp_path):
    processor = tiny_processor("qwen2.5-vl")
    processor.tokenizer.save_pretrained(tmp_path)
    processor.image_processor.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"names the processor None and config\.json the model"):
        ImageOnlyProcessor.from_pretrained(tmp_path)
    tiny_model("qwen2.5-vl").config.save_pretrained(tmp_path)
    again = ImageOnlyProcessor.from_pretrained(str(tmp_path), local_files_only=True)
    assert isinstance(again, transformers.Qwen2_5_VLProcessor)
    assert same(tensors(processor), tensors(again))


def test_other_models_are_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llava"}')
    with pytest.raises(ConfigError, match="the model 'llava'; expected one of qwen2_vl"):
        ImageOnlyProcessor.from_pretrained(tmp_path)
    for family in ("llava", None, ["qwen2_vl"]):
        with pytest.raises(ConfigError, match=r"family must be one of qwen2_vl, .*; got"):
            ImageOnlyProcessor(None, None, family=family)


def test_a_template_of_ones_own_takes_the_place_of_the_tokenizers():
    images = transformers.Qwen2VLImageProcessorPil()
    processor = ImageOnlyProcessor(images, tiny_tokenizer("qwen2-vl"), "{{ messages[0].role }}")
    assert processor.apply_chat_template([{"role": "user", "content": "?"}]) == "user"
