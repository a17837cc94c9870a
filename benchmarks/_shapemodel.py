"""A Qwen2-VL of 2.7 million random weights with its tokenizer and processor, made on the spot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import scaled_dot_product_attention
from transformers.models.qwen2_vl.modeling_qwen2_vl import (
    VisionAttention,
    apply_rotary_pos_emb_vision,
)

from _shapes import EXPRESSIONS, SIDE
from maskcodec.hf import ImageOnlyProcessor

if TYPE_CHECKING:
    from collections.abc import Sequence

PATCH, MERGE = 8, 2  # pixels of a patch, and patches of an image token, each way
_WIDTH = 192
_SPECIAL = [
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
]
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
_SAID = [
    *(f"Segment {expression}." for expression in EXPRESSIONS),
    *["foreground background repeat start of end of reference box segmentation"] * 9,
    *["others*16|others*4| the\nuser\nassistant\n fg12bg3 fg1 bg2"] * 9,
]
_TEMPLATE = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- for part in message.content %}
        {{- part.text if part.type == 'text' else '<|vision_start|><|image_pad|><|vision_end|>' }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}"""


def make_tokenizer(said: Sequence[str] = _SAID, size: int = 480) -> Any:
    """A byte-level BPE as Qwen's, with a word of the questions to a token, and a digit."""
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bare.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bare.train_from_iterator(said, trainer)
    bare.add_special_tokens(_SPECIAL)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bare,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
    )
    tokenizer.chat_template = _TEMPLATE
    return tokenizer


def make_processor(tokenizer: Any) -> ImageOnlyProcessor:
    """Images as they are, 16 x 16 patches that become 8 x 8 tokens."""
    pixels = SIDE * SIDE
    images = transformers.Qwen2VLImageProcessorPil(
        size={"shortest_edge": pixels, "longest_edge": pixels},
        patch_size=PATCH,
        merge_size=MERGE,
        temporal_patch_size=1,
    )
    return ImageOnlyProcessor(images, tokenizer)


def make_config(tokenizer: Any) -> transformers.Qwen2VLConfig:
    """The model's sizes; its ids are the tokenizer's."""
    numbers = {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(f"<|{token}|>")
        for name, token in [
            ("image", "image_pad"),
            ("video", "video_pad"),
            ("vision_start", "vision_start"),
            ("vision_end", "vision_end"),
        ]
    }
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": _WIDTH,
        "intermediate_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 6,
        "num_key_value_heads": 6,
        "max_position_embeddings": 16384,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "rope_parameters": {
            "rope_type": "default",
            "mrope_section": [4, 6, 6],  # of a head's 32 numbers, in pairs
            "rope_theta": 10000.0,
        },
    }
    vision = {
        "depth": 3,
        "embed_dim": 96,
        "num_heads": 3,
        "mlp_ratio": 4,
        "hidden_size": _WIDTH,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": 1,
    }
    return transformers.Qwen2VLConfig(
        text_config=text, vision_config=vision, tie_word_embeddings=False, **numbers
    )


def make_model(tokenizer: Any, seed: int) -> Any:
    """A model in float32, on the CPU; the seed draws its weights."""
    torch.manual_seed(seed)
    config = make_config(tokenizer)
    model = transformers.Qwen2VLForConditionalGeneration(config)
    for block in model.model.visual.blocks:
        own = AllAtOnce(block.attn.config)
        own.load_state_dict(block.attn.state_dict())
        block.attn = own
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model.float().eval()


class AllAtOnce(VisionAttention):
    """The same for images of one size, in one call instead of one for each image."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        cu_seqlens: torch.Tensor,
        position_embeddings: Any = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Attention within each image: (patches of all images, width), as it came."""
        del kwargs
        images = len(cu_seqlens) - 1
        parts = self.qkv(hidden_states).unflatten(-1, (3, self.num_heads, -1)).unbind(1)
        rotated = apply_rotary_pos_emb_vision(*parts[:2], *position_embeddings)
        query, key, value = (
            part.unflatten(0, (images, -1)).transpose(1, 2) for part in (*rotated, parts[2])
        )
        mixed = scaled_dot_product_attention(query, key, value, scale=self.scaling)
        return self.proj(mixed.transpose(1, 2).reshape(hidden_states.shape))
