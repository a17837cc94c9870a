"""What `bench_coco.py` times: annotations to ids and cells, regions to run lengths, by whom."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from operator import eq
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco

import maskcodec as mc
from _tasks import GRID, LABEL, SHAPE, Call, Task, animal
from maskcodec.masks.grid import paint_cells, sample_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from _idtasks import Setup

    Mask = npt.NDArray[np.uint8]
    Rle = dict[str, Any]
    Size = tuple[int, int]

SIZES = SHAPE, (1080, 1920), (2160, 3840)
MOST = 1000  # annotations of a set: more of them only take longer
GROWN = 50  # of those, as many are made larger
_UNSEEN = 8192  # twice as many labels as the cache has room for: none is ever found in it

# The names of calls and tasks that a claim is about.
OURS = "maskcodec"
TO_IDS, TO_RLE = "compressed RLE to ids", "region to compressed RLE"
DECODE, CHAIN = "{}.decode alone", "{}.decode, Pillow, codec.encode, tokenizers"
ENCODE = "painted in Fortran order, {}.encode"


@dataclass
class Annotation:
    """An instance, its mask as a compressed RLE, and the polygons that this was made of."""

    label: str
    rle: Rle
    polygons: list[list[float]] | None = None

    @property
    def shape(self) -> Size:
        """(height, width) of the image."""
        height, width = self.rle["size"]
        return height, width


@dataclass
class Group(Task):
    """A task over some annotations; its times are divided by their number."""

    count: int


@dataclass
class Batch:
    """Annotations that are timed together, one by one."""

    title: str
    items: list[Annotation]

    @property
    def runs(self) -> float:
        """How many runs one has on average."""
        return float(np.mean([len(mc.coco.read(item.rle).counts) for item in self.items]))

    @property
    def rles(self) -> list[Rle]:
        """The masks."""
        return [item.rle for item in self.items]

    @property
    def labels(self) -> list[str]:
        """The labels."""
        return [item.label for item in self.items]

    @property
    def sizes(self) -> list[Size]:
        """The sizes of the images."""
        return [item.shape for item in self.items]

    def task(self, what: str, calls: list[Call]) -> Group:
        """A task over all of them."""
        return Group(f"{what}: {self.title}", calls, len(self.items))


def size_name(size: Size) -> str:
    """A size as the page writes it."""
    return f"{size[0]:,} x {size[1]:,}"


def drawn(polygons: list[list[float]], size: Size) -> Rle:
    """Polygons as pycocotools draws them."""
    parts = coco.frPyObjects(polygons, *size)
    return parts[0] if len(parts) == 1 else coco.merge(parts)


def read(path: Path) -> list[Annotation]:
    """All of COCO's JSON, or of JSON lines with a ``label`` and an RLE under ``segmentation``."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        return [_annotation(row["label"], row["segmentation"], None) for row in rows]
    data = json.loads(text)
    sizes = {image["id"]: (image["height"], image["width"]) for image in data["images"]}
    names = {category["id"]: category["name"] for category in data["categories"]}
    return [
        _annotation(names[row["category_id"]], row["segmentation"], sizes[row["image_id"]])
        for row in data["annotations"]
    ]


def _annotation(label: str, found: Any, size: Size | None) -> Annotation:
    if isinstance(found, list):
        return Annotation(label, drawn(found, size), found)
    if isinstance(found["counts"], list):
        return Annotation(label, coco.frPyObjects(found, *found["size"]))
    return Annotation(label, {**found, "counts": found["counts"].encode()})


def some(items: Sequence[Annotation], most: int) -> list[Annotation]:
    """All, or as many as are wanted, evenly spread."""
    chosen = np.linspace(0, len(items) - 1, min(most, len(items))).astype(int)
    return [items[number] for number in chosen]


def real_batches(items: list[Annotation]) -> list[Batch]:
    """Those of 480 x 640 and 640 x 480 pixels, and those of all images."""
    usual = [item for item in items if item.shape in (SHAPE, SHAPE[::-1])]
    batches = [
        Batch(f"real, {size_name(SHAPE)}", some(usual, MOST)),
        Batch("real, images of all sizes", some(items, MOST)),
    ]
    return [batch for batch in batches if batch.items]


def generated_batches() -> list[Batch]:
    """The animal in two sizes."""
    return [
        Batch(f"animal, {size_name(size)}", [encoded(scaled(animal(), size))])
        for size in (SIZES[0], SIZES[-1])
    ]


def outline() -> Batch:
    """A polygon of 60 points."""
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    far = 150 + 40 * np.cos(5 * angles)
    points = np.stack([320 + far * np.cos(angles), 240 + far * np.sin(angles)], axis=1)
    polygons = [points.round(2).ravel().tolist()]
    return Batch("60 points", [Annotation(LABEL, drawn(polygons, SHAPE), polygons)])


def encoded(mask: Mask, label: str = LABEL) -> Annotation:
    """A mask as an annotation."""
    return Annotation(label, coco.encode(np.asfortranarray(mask)))


def scaled(mask: Mask, size: Size) -> Mask:
    """A mask in another size."""
    return np.array(Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST))


def all_tasks(setup: Setup, batches: list[Batch]) -> list[Group]:
    """Everything that is timed in turns, but for masks that grow."""
    first, made = batches[0], [batch for batch in batches if "all sizes" not in batch.title]
    unseen = cycle([f"dog {number}" for number in range(_UNSEEN)])  # one for all: so is the cache
    with_polygons = Batch(first.title, [item for item in first.items if item.polygons])
    return [
        *(_to_ids(setup, batch, unseen) for batch in batches),
        *(_polygons(setup, batch) for batch in (with_polygons, outline()) if batch.items),
        *_to_cells(first),
        *(_to_rle(setup, batch) for batch in made),
        _measured(setup, first),
    ]


def growing(setup: Setup, batch: Batch, first: Batch) -> Group:
    """Compressed RLE to ids, those of the first and smallest ones, and what seeing pixels takes."""
    expected = [_chain(setup, coco, item.rle, item.label) for item in first.items]
    calls = [
        one_by_one(OURS, expected, setup.tokens.encode, batch.rles, batch.labels),
        _decoding("pycocotools", coco, batch),
    ]
    return Group(batch.title, calls, len(batch.items))


def _libraries() -> dict[str, Any]:
    try:
        return {"pycocotools": coco, "hotcoco": importlib.import_module("hotcoco.mask")}
    except ImportError:
        print("no hotcoco: pip install -e '.[bench]' installs it", file=sys.stderr)
        return {"pycocotools": coco}


LIBRARIES = _libraries()


def one_by_one(
    who: str,
    expected: Sequence[Any],
    run: Callable[..., Any],
    *arguments: Sequence[Any],
    same: Callable[[Any, Any], bool] = np.array_equal,
) -> Call:
    """A call for one annotation after another, each of which has its expected result.

    No result is kept, since hundreds of masks leave the cache: to be checked, they are made again.
    """
    rows = list(zip(*arguments, strict=True))

    def loop() -> None:
        for row in rows:
            run(*row)

    def is_right(_: None) -> bool:
        return all(same(run(*row), right) for row, right in zip(rows, expected, strict=True))

    return Call(who, loop, is_right)


def _decoding(name: str, library: Any, batch: Batch) -> Call:
    def same(mask: Mask, rle: Rle) -> bool:
        return np.array_equal(mask, mc.coco.read(rle).mask())

    return one_by_one(DECODE.format(name), batch.rles, library.decode, batch.rles, same=same)


def _turned(pixels: Mask) -> Mask:
    """The cells of a mask in Fortran order, which Pillow takes as it lies once it is turned."""
    small = Image.fromarray(pixels.T).resize((GRID, GRID), Image.Resampling.NEAREST)
    return np.ascontiguousarray(np.asarray(small).T)


def _upright(pixels: Mask) -> Mask:
    """The same as most would write it: Pillow reorders the mask."""
    return np.array(Image.fromarray(pixels).resize((GRID, GRID), Image.Resampling.NEAREST))


def _chain(
    setup: Setup, library: Any, rle: Rle, label: str, resize: Callable[[Mask], Mask] = _turned
) -> list[int]:
    """Decode, resize, write, tokenize."""
    text = setup.codec.encode(resize(library.decode(rle)), label)
    return setup.bare.encode(text, add_special_tokens=False).ids


def _to_ids(setup: Setup, batch: Batch, unseen: Iterator[str]) -> Group:
    tokens, pairs = setup.tokens, (batch.rles, batch.labels)
    expected = [_chain(setup, coco, *pair) for pair in zip(*pairs, strict=True)]
    joined = np.concatenate(expected)
    listed = [{**rle, "counts": mc.coco.read(rle).counts.tolist()} for rle in batch.rles]

    def with_another(rle: Rle) -> Any:
        return tokens.encode(rle, next(unseen))

    def same_cells(found: Any, right: Any) -> bool:
        one, two = tokens.decode(found)[0], tokens.decode(right)[0]
        return one.box == two.box and np.array_equal(one.cells, two.cells)

    calls = [one_by_one(OURS, expected, tokens.encode, *pairs)]
    if len(batch.items) > 1:
        together = partial(tokens.encode_batch, *pairs)
        calls.append(
            Call(f"{OURS}, encode_batch", together, lambda found: np.array_equal(found[0], joined))
        )
    calls += [
        one_by_one(
            f"{OURS}, a label never seen before",
            expected,
            with_another,
            batch.rles,
            same=same_cells,
        ),
        one_by_one(f"{OURS}, counts in a list", expected, tokens.encode, listed, batch.labels),
    ]
    for name, library in LIBRARIES.items():
        chain = partial(_chain, setup, library)
        calls += [
            _decoding(name, library, batch),
            one_by_one(CHAIN.format(name), expected, chain, *pairs),
        ]
    if len(batch.items) == 1:
        chain = partial(_chain, setup, coco, resize=_upright)
        calls.append(
            one_by_one("the chain of pycocotools, Pillow given its order", expected, chain, *pairs)
        )
    return batch.task(TO_IDS, calls)


def _polygons(setup: Setup, batch: Batch) -> Group:
    """Polygons to ids; pycocotools draws them for all."""
    polygons = [item.polygons for item in batch.items]
    arguments = polygons, batch.sizes, batch.labels
    expected = [_chain(setup, coco, item.rle, item.label) for item in batch.items]

    def ours(parts: Any, size: Size, label: str) -> Any:
        return setup.tokens.encode(parts, label, shape=size)

    def chain(parts: Any, size: Size, label: str) -> Any:
        return _chain(setup, coco, drawn(parts, size), label)

    share = f"{OURS}, of which pycocotools draws"
    calls = [
        one_by_one(OURS, expected, ours, *arguments),
        one_by_one(share, batch.rles, drawn, polygons, batch.sizes, same=eq),
        one_by_one(f"drawn, {CHAIN.format('pycocotools')}", expected, chain, *arguments),
    ]
    return batch.task("polygons to ids", calls)


def _to_cells(batch: Batch) -> list[Group]:
    grid, rles, tasks = (GRID, GRID), batch.rles, []
    for sampling in ("nearest", "area", "keep"):

        def ours(rle: Rle, how: Any = sampling) -> Mask:
            return mc.coco.read(rle).cells(grid, how)

        def of_pixels(rle: Rle, how: Any = sampling) -> Mask:
            return sample_mask(coco.decode(rle), grid, how)

        def turned(rle: Rle, how: Any = sampling) -> Mask:
            return sample_mask(coco.decode(rle).T, grid[::-1], how).T

        expected = [of_pixels(rle) for rle in rles]
        who = "pycocotools.decode, our sampler of pixels"
        calls = [one_by_one(OURS, expected, ours, rles), one_by_one(who, expected, turned, rles)]
        if sampling == "nearest":
            who = "pycocotools.decode, Pillow"
            calls.append(one_by_one(who, expected, lambda rle: _turned(coco.decode(rle)), rles))
        tasks.append(batch.task(f"compressed RLE to cells, {sampling}", calls))
    return tasks


class _Painter:
    """Paints regions in Fortran order, into memory that is there: turned, and turned back."""

    def __init__(self, sizes: Sequence[Size]) -> None:
        self._out = {size: np.empty(size[::-1], np.uint8) for size in sizes}

    def __call__(self, region: mc.Region, size: Size) -> Mask:
        x1, y1, _, _ = region.box
        turned = region.cells.T.copy(), (x1, y1), region.canvas[::-1], size[::-1]
        return paint_cells(*turned, out=self._out[size]).T


def _regions(setup: Setup, batch: Batch) -> list[mc.Region]:
    encode, decode = setup.tokens.encode, setup.tokens.decode
    return [decode(encode(item.rle, item.label))[0] for item in batch.items]


def _to_rle(setup: Setup, batch: Batch) -> Group:
    pairs = _regions(setup, batch), batch.sizes
    paint = _Painter(batch.sizes)

    def upright(library: Any, region: mc.Region, size: Size) -> Rle:
        return library.encode(np.asfortranarray(region.mask(size)))

    def in_columns(library: Any, region: mc.Region, size: Size) -> Rle:
        return library.encode(paint(region, size))

    expected = [upright(coco, *pair) for pair in zip(*pairs, strict=True)]
    calls = [one_by_one(OURS, expected, mc.Region.coco_rle, *pairs, same=eq)]
    for name, library in LIBRARIES.items():
        plain = f"Region.mask, np.asfortranarray, {name}.encode"
        calls += [
            one_by_one(
                ENCODE.format(name), expected, partial(in_columns, library), *pairs, same=eq
            ),
            one_by_one(plain, expected, partial(upright, library), *pairs, same=eq),
        ]
    return batch.task(TO_RLE, calls)


def _measured(setup: Setup, batch: Batch) -> Group:
    pairs = _regions(setup, batch), batch.sizes
    paint = _Painter(batch.sizes)

    def ours(region: mc.Region, size: Size) -> Any:
        return region.bbox(size), region.area(size)

    def of_runs(region: mc.Region, size: Size) -> Any:
        runs = region.runs(size)
        return runs.bbox, runs.area

    def by_coco(region: mc.Region, size: Size) -> Any:
        rle = coco.encode(paint(region, size))
        return coco.toBbox(rle), coco.area(rle)

    def by_numpy(region: mc.Region, size: Size) -> Any:
        mask = region.mask(size).view(np.bool_)
        xs, ys = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
        return (xs[0], ys[0], xs[-1] - xs[0] + 1, ys[-1] - ys[0] + 1), np.count_nonzero(mask)

    def same(found: Any, right: Any) -> bool:
        return (tuple(found[0]), found[1]) == right

    expected = [by_numpy(*pair) for pair in zip(*pairs, strict=True)]
    calls = [
        one_by_one(who, expected, run, *pairs, same=same)
        for who, run in [
            (OURS, ours),
            (f"{OURS}, both of one Region.runs", of_runs),
            ("painted in Fortran order, pycocotools.encode, toBbox, area", by_coco),
            ("Region.mask, NumPy", by_numpy),
        ]
    ]
    return batch.task("region to box and area", calls)
