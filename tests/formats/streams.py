"""Streams under a watch: after any id they say what `recover` says of all so far."""

from __future__ import annotations

import numpy as np


def painted(regions, canvas):
    """The index map that regions make, by the definition."""
    expected = np.zeros(canvas, np.int32)
    for number, region in enumerate(regions, 1):
        expected[region.mask(canvas, method="nearest") == 1] = number
    return expected


def follow(codec, ids):
    """Push ids, and compare after each of them with `recover` of all so far."""
    stream = codec.stream()
    assert (stream.regions, stream.row_ended) == ([], False)
    for end, id_ in enumerate(ids, 1):
        assert stream.push(id_) is stream
        expected, _ = codec.recover(ids[:end])
        regions = stream.regions
        assert regions == expected, ids[:end]
        assert [region.box for region in regions] == [region.box for region in expected]
        index_map = stream.index_map
        assert (index_map.dtype, index_map.shape) == (np.int32, codec.codec.canvas)
        assert not index_map.flags.writeable
        assert np.array_equal(index_map, painted(expected, codec.codec.canvas)), ids[:end]
    assert stream.problems == codec.recover(ids).problems
    return stream
