"""Segmentations in every way that they are stored, and the codecs that take them."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec.coco import RunMask
from tests import reference, strategies
from tests.vocabularies import tokens

coco_mask = pytest.importorskip("pycocotools.mask", reason="the extra 'coco' is not installed")


few = settings(max_examples=max(8, settings.default.max_examples // 4))
SAMPLINGS = ["nearest", "area", "keep"]
CODECS = [
    kind(grid=(5, 7), sampling=sampling, **options)
    for sampling in SAMPLINGS
    for kind, options in (
        (mc.BSD, {}),
        (mc.BSD, {"row_separator": ""}),
        (mc.ISD, {}),
        (mc.IRLE, {}),
        (mc.RRLE, {}),
    )
]
CODECS += [mc.Scanlines(sampling=sampling) for sampling in ("nearest", "keep")]
CODECS.append(mc.Scanlines(rows=6, columns=6, sampling="best", bins=9))
TOKENS = [tokens("byte-level", codec) for codec in CODECS] + [
    tokens("unigram", CODECS[0]),
    tokens("word-piece", mc.BSD(grid=(5, 7), bricks=False)),
]
BRICKS = [codec for codec in TOKENS if codec.codec.has_instances]
codecs = st.sampled_from(CODECS)
token_codecs = st.sampled_from(TOKENS)

FIVE = {"size": [4, 4], "counts": "52203"}  # 5 2 2 2 5: a square of 2 x 2 in the middle
SQUARE = [1, 1, 3, 1, 3, 3, 1, 3]


def pycoco(polygons, shape):
    """The pixels of polygons, as COCO's loaders paint them."""
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *shape)))


def kinds_of(counts, shape):
    """Everything that the same runs may be stored as."""
    height, width = shape
    text = reference.write_counts(counts)
    empty = {"size": [height, width], "counts": [height * width]}
    yield {"size": [height, width], "counts": text}
    yield {"size": (height, width), "counts": text.decode(), "more": None}
    yield {"size": np.array(shape), "counts": bytearray(text)}
    yield {"size": [height, width], "counts": counts}
    yield {"size": [height, width], "counts": tuple(counts)}
    yield {"size": [height, width], "counts": np.array(counts, np.uint32)}
    yield {"counts": counts}  # these are read with the shape only
    yield {"counts": text}
    yield [{"size": [height, width], "counts": text}]
    yield ({"counts": counts}, empty, {"size": [height, width], "counts": text.decode()})
    yield RunMask(counts, shape)


def outcome(call, *arguments, **options):
    """What a call returns, or the error that it raises."""
    try:
        result = call(*arguments, **options)
    except (mc.MaskError, TypeError) as error:
        return type(error), str(error)
    if isinstance(result, tuple):
        return [part.tolist() for part in result]
    return result.tolist() if isinstance(result, np.ndarray) else result


@st.composite
def annotations(draw):
    """Segmentations of any kind, their pixels, and the shape of each one's image."""
    same_shape = draw(st.one_of(st.none(), strategies.shapes))
    found, painted, shapes = [], [], []
    for _ in range(draw(st.integers(0, 4))):
        shape = same_shape or draw(strategies.shapes)
        if draw(st.booleans()):
            polygons = draw(strategies.rings(shape))
            found.append(polygons)
            painted.append(pycoco(polygons, shape))
        else:
            counts, _ = draw(strategies.runs(shape))
            found.append(draw(st.sampled_from(list(kinds_of(counts, shape)))))
            painted.append(reference.mask_of(counts, shape))
        shapes.append(shape)
    return found, painted, shapes, same_shape
