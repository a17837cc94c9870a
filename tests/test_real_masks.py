"""Real annotations: what goes through the codecs comes back as the sampler left it."""

import json

import numpy as np
import pytest

import maskcodec as mc
from maskcodec.coco import RunMask
from tests import reference

FILES = ["coco_tiny_val2017.json", "coco_mini_val2017.json"]


@pytest.fixture(scope="module")
def instances(real_data):
    """(mask, label, image id) of every fifth annotation."""
    coco_mask = pytest.importorskip("pycocotools.mask", reason="polygons need pycocotools")
    found = []
    for file in FILES:
        data = json.loads((real_data / file).read_text())
        sizes = {image["id"]: (image["height"], image["width"]) for image in data["images"]}
        names = {category["id"]: category["name"] for category in data["categories"]}
        for annotation in data["annotations"][::5]:
            shape, segmentation = sizes[annotation["image_id"]], annotation["segmentation"]
            rle = coco_mask.frPyObjects(segmentation, *shape)
            rle = coco_mask.merge(rle) if isinstance(rle, list) else rle
            found.append(
                (coco_mask.decode(rle), names[annotation["category_id"]], annotation["image_id"])
            )
    return found


def test_real_masks_come_back_as_pillow_sampled_them(instances):
    codec = mc.BSD(grid=64)
    assert len(instances) > 200
    for mask, label, _ in instances:
        text = codec.encode(mask, label, lost="drop")
        expected = reference.nearest(mask, (64, 64))
        assert text == reference.write_bsd(expected, label)
        regions = codec.decode(text)
        painted = regions[0].mask(mask.shape) if regions else np.zeros(mask.shape, np.uint8)
        assert np.array_equal(painted, reference.paint_nearest(expected, mask.shape))


@pytest.mark.usefixtures("compiled")
def test_keep_loses_no_real_instance(instances):
    codec = mc.BSD(grid=64, sampling="keep")
    lost_by_nearest = 0
    for mask, label, _ in instances:
        (region,) = codec.decode(codec.encode(mask, label))
        assert (region.mask(mask.shape) & mask).any()
        lost_by_nearest += not mc.BSD(grid=64).encode(mask, label, lost="drop")
    assert lost_by_nearest > 0


@pytest.mark.usefixtures("compiled")
def test_the_instances_of_a_real_image_come_back_in_order(instances):
    by_image = {}
    for mask, label, image in instances:
        by_image.setdefault(image, []).append((mask, label))
    codec = mc.BSD(grid=64, sampling="keep")
    for pairs in by_image.values():
        masks, labels = zip(*pairs, strict=True)
        regions = codec.decode(codec.encode_many(masks, labels))
        assert [region.label for region in regions] == list(labels)
        assert codec.decode(codec.encode_regions(regions)) == regions


def iou(painted, mask):
    either = np.count_nonzero(painted | mask)
    return np.count_nonzero(painted & mask) / either


@pytest.mark.usefixtures("compiled")
def test_scanlines_lose_no_real_instance_and_hold_all_of_it(instances):
    codec = mc.Scanlines()
    for mask, label, _ in instances:
        text = codec.encode(mask, label)
        assert codec.encode(RunMask.from_mask(mask), label) == text
        regions = codec.decode(text)
        assert codec.encode_regions(regions) == text
        x, y, width, height = reference.bbox(mask)  # no side has more pixels than bins
        assert regions[0].box_pixels(mask.shape) == (x, y, x + width, y + height)
        assert regions[0].cells.shape == (min(height, 11), 63)
        if height <= 11 and width <= 63:
            for method in ("nearest", "smooth", "contour"):
                assert np.array_equal(regions[0].mask(mask.shape, method=method), mask)


@pytest.mark.usefixtures("compiled")
def test_scanlines_come_nearer_to_real_masks(instances):
    ious = {"canvas": [], "nearest": [], "contour": [], "best": []}
    kept, best = (mc.Scanlines(sampling=sampling) for sampling in ("keep", "best"))
    for mask, label, _ in instances:
        canvas = mc.BSD(grid=64).decode(mc.BSD(grid=64).encode(mask, label, lost="drop"))
        (region,) = kept.decode(kept.encode(mask, label))
        (better,) = best.decode(best.encode(mask, label))
        ious["canvas"].append(iou(canvas[0].mask(mask.shape), mask) if canvas else 0)
        ious["nearest"].append(iou(region.mask(mask.shape, method="nearest"), mask))
        ious["contour"].append(iou(region.mask(mask.shape), mask))
        ious["best"].append(iou(better.mask(mask.shape), mask))
    means = [np.mean(found) for found in ious.values()]
    assert means == sorted(means), means
