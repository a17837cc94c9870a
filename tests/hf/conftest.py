"""Fixtures of more than one file here."""

import pytest


@pytest.fixture(scope="module")
def sam():
    from tests.hf.sam import tiny_sam

    return tiny_sam()


@pytest.fixture
def asked(sam):
    """What each call of SAM's two halves was given."""
    calls = {"images": [], "prompts": []}
    hooks = [
        sam.vision_encoder.register_forward_pre_hook(
            lambda _, args, kwargs: calls["images"].append((*args, *kwargs.values())[0]),
            with_kwargs=True,
        ),
        sam.prompt_encoder.register_forward_pre_hook(
            lambda _, _args, kwargs: calls["prompts"].append(kwargs), with_kwargs=True
        ),
    ]
    answers = []
    hooks.append(
        sam.mask_decoder.register_forward_hook(lambda _, _args, output: answers.append(output))
    )
    yield calls | {"answers": answers}
    for hook in hooks:
        hook.remove()
