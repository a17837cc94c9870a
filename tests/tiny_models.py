"""Random, tiny models of real families, with their tokenizers and processors, made on the spot.

Nothing is loaded: the tokenizers are trained on a few words here, have the family's special tokens
and its chat template, and the weights are drawn anew with the same seed each time.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tests.vocabularies import CORPUS, metaspace

torch = pytest.importorskip("torch", reason="torch is not installed: maskcodec[hf]")
transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed: maskcodec[hf]"
)
torch.set_num_threads(1)

KINDS = ["qwen2-vl", "qwen2.5-vl", "internvl", "llava-1.5"]

# What each model needs besides its tokenizer: 7B's matrices have rows to spare for all that a codec
# adds, the smaller ones for none or for some; two of the families have tied weights.
SPARE_ROWS = {"qwen2-vl": 40, "qwen2.5-vl": 400, "internvl": 0, "llava-1.5": 3}
TIED = {"qwen2-vl": False, "qwen2.5-vl": True, "internvl": True, "llava-1.5": False}

_QWEN = [
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *("<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
]
_INTERN = [
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>"),
    *("<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>", "<video>"),
]
_QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_CORPUS = [
    *CORPUS,
    *["system user assistant You are a helpful assistant. USER: ASSISTANT:"] * 9,
    *["Please draw the mask of: foreground background. Here it is: There is no such thing."] * 9,
]

_QWEN_TEMPLATE = """\
{%- for message in messages %}
    {%- if loop.first and message.role != 'system' %}
        {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
    {%- endif %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.content is string %}
        {{- message.content }}
    {%- else %}
        {%- for part in message.content %}
            {%- if part.type == 'image' %}
                {{- '<|vision_start|><|image_pad|><|vision_end|>' }}
            {%- elif part.type == 'text' %}
                {{- part.text }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}"""
_INTERN_TEMPLATE = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.content is string %}
        {{- message.content }}
    {%- else %}
        {%- for part in message.content %}
            {%- if part.type == 'image' %}
                {{- '<IMG_CONTEXT>\\n' }}
            {%- elif part.type == 'text' %}
                {{- part.text }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}"""
_LLAVA_TEMPLATE = """\
{%- for message in messages %}
    {%- if message.role != 'system' %}
        {{- message.role.upper() + ': ' }}
    {%- endif %}
    {%- for part in message.content if part.type == 'image' %}
        {{- '<image>\\n' }}
    {%- endfor %}
    {%- for part in message.content if part.type == 'text' %}
        {%- if message.role == 'assistant' %}
            {%- generation %}{{- part.text + ' ' }}{%- endgeneration %}
        {%- else %}
            {{- part.text + ' ' }}
        {%- endif %}
    {%- endfor %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- 'ASSISTANT:' }}
{%- endif %}"""
_TEMPLATES = {
    "qwen2-vl": _QWEN_TEMPLATE,
    "qwen2.5-vl": _QWEN_TEMPLATE,
    "internvl": _INTERN_TEMPLATE,
    "llava-1.5": _LLAVA_TEMPLATE,
}


def tiny_tokenizer(kind: str) -> Any:
    """A tokenizer of transformers, nobody else's, not extended."""
    if kind == "llava-1.5":
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer.from_str(_stored("llava")),
            unk_token="<unk>",
            bos_token="<s>",
            eos_token="</s>",
            pad_token="<pad>",
            padding_side="left",
            extra_special_tokens={"image_token": "<image>"},
        )
        tokenizer.add_bos_token = True
    else:
        named = {} if kind != "internvl" else _intern_names()
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer.from_str(_stored("intern" if named else "qwen")),
            eos_token="<|im_end|>",
            pad_token="<|endoftext|>",
            padding_side="left",
            extra_special_tokens=named,
        )
    tokenizer.chat_template = _TEMPLATES[kind]
    return tokenizer


def tiny_model(kind: str, **text: Any) -> Any:
    """A model in float32 and evaluation mode; ``text`` overrides its language model's config."""
    tokenizer = _sized(kind)
    rows = len(tokenizer) + SPARE_ROWS[kind]
    common: dict[str, Any] = {
        "vocab_size": rows,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": TIED[kind],
        **text,
    }
    make = {"internvl": _internvl, "llava-1.5": _llava}.get(kind, _qwen)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make(kind, common, tokenizer)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model.float().eval()


def tiny_processor(kind: str, tokenizer: Any = None) -> Any:
    """A processor that works without torchvision, over a tokenizer of `tiny_tokenizer`'s."""
    tokenizer = tiny_tokenizer(kind) if tokenizer is None else tokenizer
    if kind == "llava-1.5":
        images = transformers.CLIPImageProcessorPil(
            size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
        )
        return transformers.LlavaProcessor(
            images,
            tokenizer,
            patch_size=14,
            vision_feature_select_strategy="default",
            num_additional_image_tokens=1,
            chat_template=tokenizer.chat_template,
        )
    from maskcodec.hf import ImageOnlyProcessor

    if kind == "internvl":
        images = transformers.GotOcr2ImageProcessorPil(
            size={"height": 56, "width": 56}, min_patches=1, max_patches=2
        )
        return ImageOnlyProcessor(images, tokenizer, image_seq_length=4, family="internvl")
    images = transformers.Qwen2VLImageProcessorPil(
        size={"shortest_edge": 56 * 56, "longest_edge": 112 * 112}
    )
    return ImageOnlyProcessor(images, tokenizer, family=kind.replace("-", "_").replace(".", "_"))


def _qwen(kind: str, common: dict[str, Any], tokenizer: Any) -> Any:
    name = "Qwen2VL" if kind == "qwen2-vl" else "Qwen2_5_VL"
    vision = {"depth": 2, "num_heads": 2, "patch_size": 14, "spatial_merge_size": 2}
    if kind == "qwen2-vl":
        vision |= {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2}
    else:
        vision |= {"hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 64}
        vision |= {"window_size": 56, "fullatt_block_indexes": [1]}
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0}
    named = {
        f"{short}_token_id": tokenizer.convert_tokens_to_ids(f"<|{token}|>")
        for short, token in [
            ("image", "image_pad"),
            ("video", "video_pad"),
            ("vision_start", "vision_start"),
            ("vision_end", "vision_end"),
        ]
    }
    config = getattr(transformers, f"{name}Config")(
        text_config={"rope_parameters": rope, **common},
        vision_config=vision,
        tie_word_embeddings=common["tie_word_embeddings"],
        **named,
    )
    return getattr(transformers, f"{name}ForConditionalGeneration")(config)


def _internvl(kind: str, common: dict[str, Any], tokenizer: Any) -> Any:
    del kind
    vision = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "image_size": [56, 56],
        "patch_size": [14, 14],
    }
    config = transformers.InternVLConfig(
        text_config={"model_type": "qwen2", **common},
        vision_config={"model_type": "internvl_vision", **vision},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        tie_word_embeddings=common["tie_word_embeddings"],
    )
    return transformers.InternVLForConditionalGeneration(config)


def _llava(kind: str, common: dict[str, Any], tokenizer: Any) -> Any:
    del kind
    vision = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "image_size": 28,
        "patch_size": 14,
        "projection_dim": 32,
    }
    config = transformers.LlavaConfig(
        text_config={"model_type": "llama", **common},
        vision_config={"model_type": "clip_vision_model", **vision},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
        tie_word_embeddings=common["tie_word_embeddings"],
    )
    return transformers.LlavaForConditionalGeneration(config)


def _intern_names() -> dict[str, str]:
    return {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }


@cache
def _sized(kind: str) -> Any:
    """A tokenizer that nobody changes, to look numbers up."""
    return tiny_tokenizer(kind)


@cache
def _stored(kind: str) -> str:
    """A trained tokenizer as JSON."""
    if kind == "llava":
        tokenizer = metaspace()
        tokenizer.add_special_tokens(["<image>", "<pad>"])
        return tokenizer.to_str()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    tokenizer.add_special_tokens(_QWEN if kind == "qwen" else _INTERN)
    return tokenizer.to_str()
