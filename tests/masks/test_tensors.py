"""Tensors and stacks that are no masks yet: what is wrong, and what to type."""

import numpy as np
import pytest

import maskcodec as mc

CODEC = mc.Scanlines()
MASK = np.eye(8, dtype=bool)


def refused(mask, error):
    with pytest.raises(error) as caught:
        CODEC.encode(mask, "dog")
    with pytest.raises(error):
        CODEC.encode_many([MASK, mask], ["dog", "cat"])
    return str(caught.value)


@pytest.mark.parametrize(
    ("shape", "typed"),
    [((1, 8, 8), "mask[0]"), ((1, 1, 8, 8), "mask[0, 0]"), ((1, 1, 1), "mask[0]")],
)
def test_a_stack_of_one_mask(shape, typed):
    said = refused(np.ones(shape, bool), mc.MaskError)
    assert said.endswith(f"got shape {shape}; it is a stack of one mask, pass {typed}")
    of_sam = np.ones((2, *shape), bool)
    for stack in of_sam, list(of_sam):
        with pytest.raises(mc.MaskError) as caught:
            CODEC.encode_many(stack, ["dog", "cat"])
        assert str(caught.value).endswith(f"a stack of one mask, pass [{typed} for mask in masks]")


def test_other_shapes():
    assert refused(np.ones((8, 8, 1), bool), mc.MaskError).endswith("pass mask[..., 0]")
    assert "a stack of masks goes one by one" in refused(np.ones((3, 8, 8), bool), mc.MaskError)
    assert refused(np.ones(8, bool), mc.MaskError).endswith("got shape (8,)")
    assert refused(np.ones((2, 2, 8, 8), bool), mc.MaskError).endswith("got shape (2, 2, 8, 8)")


def test_tensors():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    mask = torch.from_numpy(MASK)
    text = CODEC.encode(MASK, "dog")
    assert CODEC.encode(mask, "dog") == text
    logits = (mask.float() - 0.5).requires_grad_()
    said = refused(logits, TypeError)
    assert said.startswith(
        "mask is a tensor of torch.float32 on cpu, which requires gradients; pass mask.detach() > "
        "0.5, or > 0 for logits: "
    )
    assert CODEC.encode(logits.detach() > 0, "dog") == text
    said = refused(mask.bfloat16(), TypeError)
    assert "of torch.bfloat16 on cpu; pass mask.float() > 0.5, or > 0 for logits: " in said
    assert CODEC.encode(mask.bfloat16().float() > 0.5, "dog") == text
    said = refused(mask.bfloat16().requires_grad_(), TypeError)
    assert "pass mask.detach().float() > 0.5" in said
    said = refused(torch.ones(8, 8, dtype=torch.bool, device="meta"), TypeError)
    assert "is a tensor of torch.bool on meta; pass mask.cpu(): " in said
    assert "it is a stack of one mask, pass mask[0]" in refused(mask[None], mc.MaskError)


def test_what_no_array_can_be_made_of():
    class Odd:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("no")

    assert refused(Odd(), TypeError) == "mask cannot be read as an array: no"
