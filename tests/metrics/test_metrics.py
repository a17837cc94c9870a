"""The figures: against hand-computed cases, a twin that compares pixels, and pycocotools."""

import itertools
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskcodec as mc
from maskcodec.coco import RunMask
from maskcodec.kernels import rle as kernels
from maskcodec.metrics import BoxAccuracy, CIoU, ClassIoU, GIoU, MIoU, NAcc, Overlap, TAcc, measure
from tests import reference, strategies

SHAPE = (4, 5)
KINDS = [CIoU, GIoU, MIoU, NAcc, TAcc]
DOG = mc.Region("dog", (1, 1, 2, 2), [[1, 1], [1, 1]], canvas=(4, 5))
CAT = mc.Region("cat", (3, 0, 4, 1), [[1, 0], [1, 1]], canvas=(4, 5))


def array(*rows):
    return np.array([[int(pixel) for pixel in row] for row in rows], np.uint8)


# ---------------------------------------------------------------- the twin, from the papers' words


def twin(pairs):
    """Every figure of pairs of bool arrays, in fractions; None where there is nothing to divide."""
    both = [int((p & t).sum()) for p, t in pairs]
    either = [int((p | t).sum()) for p, t in pairs]
    ious = [Fraction(b, e) if e else Fraction(1) for b, e in zip(both, either, strict=True)]
    has = [bool(t.any()) for _, t in pairs]
    says = [bool(p.any()) for p, _ in pairs]

    def mean(values):
        return Fraction(sum(values), len(values)) if values else None

    return {
        CIoU: Fraction(sum(both), sum(either)) if sum(either) else None,
        GIoU: mean(ious),
        MIoU: mean([iou for iou, target in zip(ious, has, strict=True) if target]),
        NAcc: mean([not said for said, target in zip(says, has, strict=True) if not target]),
        TAcc: mean([said for said, target in zip(says, has, strict=True) if target]),
    }


def same(figure, fraction):
    return math.isnan(figure) if fraction is None else abs(figure - fraction) < 1e-15


@st.composite
def pairs(draw):
    """A few predictions and targets, each pair of one shape."""
    found = []
    for _ in range(draw(st.integers(0, 5))):
        shape = draw(strategies.small_shapes)
        found.append(tuple(draw(strategies.cells(shape)).astype(bool) for _ in range(2)))
    return found


@given(pairs())
def test_every_figure_is_the_twins(drawn):
    expected = twin(drawn)
    for kind in KINDS:
        metric = kind()
        for prediction, target in drawn:
            metric.update(prediction, target)
        assert same(metric.compute(), expected[kind]), kind


@given(pairs(), st.randoms(use_true_random=False))
def test_parts_merge_in_any_order_to_the_same(drawn, random):
    for kind in KINDS:
        whole = kind()
        parts = []
        for prediction, target in drawn:
            whole.update(prediction, target)
            parts.append(kind())
            parts[-1].update(prediction, target)
        random.shuffle(parts)
        merged = kind()
        for part in parts:
            merged.merge(pickle.loads(pickle.dumps(part)))
        assert merged == whole
        assert repr(merged) == repr(whole)
        assert repr(merged.compute()) == repr(whole.compute())


# ------------------------------------------------------------------------- cases done by hand


def counted(kind, *samples, **options):
    metric = kind(**options)
    for prediction, target in samples:
        metric.update(prediction, target)
    return metric


def test_the_figures_of_grefcoco_by_hand():
    half = array("1100"), array("1000")  # an IoU of 1/2
    right = None, array("0000")
    wrong = array("1110"), None  # pixels where there is no target
    missed = [], array("1111")
    samples = half, right, wrong, missed
    assert counted(CIoU, *samples).compute() == 1 / (2 + 0 + 3 + 4)
    assert counted(GIoU, *samples).compute() == (0.5 + 1 + 0 + 0) / 4
    assert counted(MIoU, *samples).compute() == (0.5 + 0) / 2
    assert counted(NAcc, *samples).compute() == 1 / 2
    assert counted(TAcc, *samples).compute() == 1 / 2


def test_a_claim_without_pixels_is_no_right_nothing():
    expected = {
        CIoU: (math.nan, 0.0, 0.5),
        GIoU: (0.0, 0.0, 0.5),
        MIoU: (math.nan, 0.0, 0.5),
        NAcc: (0.0, math.nan, math.nan),
        TAcc: (math.nan, 0.0, 1.0),
        BoxAccuracy: (0.0, 0.0, 1.0),
    }
    half = array("1100", "1100"), array("1100", "0000")
    samples = (None, array("00")), ([], array("10")), half
    for kind, figures in expected.items():
        for (prediction, target), figure in zip(samples, figures, strict=True):
            metric, merged = kind(), kind()
            metric.update(prediction, target, claimed=True)
            merged.merge(metric)
            assert repr(merged.compute()) == repr(figure), kind
            if np.any(target):
                assert metric == counted(kind, (prediction, target))
        for prediction, target in (array("1"), None), (array("1"), array("0")):
            metric = kind()
            metric.update(prediction, target, claimed=True)  # pixels claim anyway
            assert metric == counted(kind, (prediction, target))


def test_counts_are_whole_numbers_of_python():
    metric = counted(CIoU, (array("11"), array("10")))
    assert (metric.intersection, metric.union) == (1, 2)
    assert type(metric.intersection) is type(metric.union) is int
    assert repr(metric) == "CIoU(samples=1, intersection=1, union=2)"
    assert repr(ClassIoU(["sky", "dog"])) == (
        "ClassIoU(samples=0, classes={0: 'sky', 1: 'dog'}, ignore=None)"
    )
    mean = counted(GIoU, (array("11"), array("10")), (None, None))
    assert mean.samples == 2
    accuracy = counted(TAcc, (array("11"), array("10")))
    assert (accuracy.right, accuracy.samples, type(accuracy.right)) == (1, 1, int)


def test_all_right_is_exactly_1_and_a_third_is_a_third():
    whole = array("111"), array("111")
    for kind in [CIoU, GIoU, MIoU, TAcc]:
        assert counted(kind, *[whole] * 7).compute() == 1.0
    assert counted(GIoU, (array("111"), array("100"))).compute() == 1 / 3
    assert counted(MIoU, (array("1110"), array("1101"))).compute() == 2 / 4


@pytest.mark.parametrize("kind", [*KINDS, BoxAccuracy])
def test_of_nothing_there_is_no_figure(kind):
    assert math.isnan(kind().compute())


def test_of_right_nothings_alone_there_is_no_cumulative_iou():
    metric = counted(CIoU, (None, None), (None, array("000")))
    assert math.isnan(metric.compute())
    assert counted(GIoU, (None, None)).compute() == 1.0
    assert math.isnan(counted(MIoU, (None, None)).compute())


def test_a_measured_sample_counts_for_several_figures():
    overlap = measure(DOG, CAT, shape=SHAPE)
    for kind in KINDS:
        metric = kind()
        metric.add(overlap)
        assert metric == counted(kind, (RunMask.from_mask(DOG.mask(SHAPE)), CAT))


def test_only_the_same_kinds_merge():
    with pytest.raises(TypeError, match=r"^a CIoU merges with another CIoU, got GIoU$"):
        CIoU().merge(GIoU())
    with pytest.raises(TypeError, match=r"^a GIoU merges with another GIoU, got int$"):
        GIoU().merge(3)
    boxes = BoxAccuracy(), BoxAccuracy(threshold=0.75)
    words = r"^one BoxAccuracy has threshold 0\.5, the other 0\.75: what they counted does not add"
    with pytest.raises(mc.ConfigError, match=words):
        boxes[0].merge(boxes[1])
    maps = ClassIoU(3), ClassIoU(3, ignore=255)
    with pytest.raises(mc.ConfigError, match=r"^one ClassIoU has ignore None, the other 255"):
        maps[0].merge(maps[1])


# -------------------------------------------------------------------------------- the overlap


def forms(pixels):
    """Whatever says the same as a mask, and how large its image is."""
    mask = RunMask.from_mask(pixels)
    rle = mask.coco_rle()
    canvas = pixels.shape
    region = mc.Region("it", (0, 0, canvas[1] - 1, canvas[0] - 1), pixels, canvas=canvas)
    top = pixels.copy()
    top[1:] = 0
    said = [pixels, pixels.astype(bool), pixels.astype(np.int64) * 7, np.asfortranarray(pixels)]
    said += [pixels.tolist(), mask, [mask, mask], rle, {**rle, "counts": rle["counts"].decode()}]
    said += [{"size": list(canvas), "counts": mask.counts.tolist()}]
    said += [[RunMask.from_mask(top), mask], [RunMask.from_mask(top).coco_rle(), rle]]
    unsized = [region, [region], (region, region), {"counts": rle["counts"]}]
    if not pixels.any():
        unsized += [None, [], ()]
    return said, unsized


@given(pairs().filter(bool), st.randoms(use_true_random=False))
def test_every_form_of_a_mask_counts_alike(drawn, random):
    prediction, target = (pixels.view(np.uint8) for pixels in drawn[0])
    both, *areas = (int(p.sum()) for p in (prediction & target, prediction, target))
    expected = Overlap(both, *areas)
    assert expected.union == (prediction | target).sum()
    (said, unsized), (others, unsized_others) = forms(prediction), forms(target)
    for value in said:
        assert measure(value, random.choice(others)) == expected
        assert measure(value, random.choice(unsized_others)) == expected
    for value in unsized:
        assert measure(value, random.choice(others)) == expected
        assert measure(value, random.choice(unsized_others), shape=target.shape) == expected


@given(strategies.small_shapes.flatmap(lambda shape: st.tuples(*[strategies.runs(shape)] * 2)))
def test_runs_share_what_their_pixels_share(drawn):
    masks = [RunMask(*runs) for runs in drawn]
    pixels = [reference.mask_of(*runs) for runs in drawn]
    both = int((pixels[0] & pixels[1]).sum())
    areas = [int(p.sum()) for p in pixels]
    assert measure(*masks) == (both, *areas)
    assert measure(*masks[::-1]) == (both, *areas[::-1])


@given(strategies.small_shapes.flatmap(lambda shape: st.tuples(*[strategies.cells(shape)] * 2)))
def test_the_iou_is_pycocotools(drawn):
    coco_mask = pytest.importorskip("pycocotools.mask")
    rles = [RunMask.from_mask(cells).coco_rle() for cells in drawn]
    found = measure(*rles)
    expected = coco_mask.iou(rles[:1], rles[1:], [0])[0, 0]
    if found.union:  # of two empty masks, pycocotools says 0
        assert found.iou == expected
    else:
        assert found.iou == 1.0


@pytest.mark.usefixtures("compiled")
def test_the_kernel_of_runs_is_compiled_once():
    mask = np.eye(9, dtype=np.uint8)
    frozen = RunMask(np.array([40, 1, 40], np.uint8), (9, 9))
    for value in (
        mask.astype(bool),
        RunMask.from_mask(mask),
        RunMask.from_mask(mask).coco_rle(),
        frozen,
    ):
        assert measure(value, frozen).prediction in (1, 9)
        assert measure(frozen, value).intersection == 1
    assert len(kernels.shared_runs.signatures) == 1


def test_runs_of_huge_images_are_never_painted():
    shape = 65535, 65537  # 2**32 - 1 pixels
    pixels = shape[0] * shape[1]
    full, half = RunMask([0, pixels], shape), RunMask([0, pixels // 2, pixels - pixels // 2], shape)
    assert measure(full, half) == (pixels // 2, pixels, pixels // 2)
    metric = counted(CIoU, *[(full, half)] * 3)
    assert metric.union == 3 * pixels


def test_real_masks_overlap_as_pycocotools_has_it(real_data):
    import json

    coco_mask = pytest.importorskip("pycocotools.mask")
    with (real_data / "gseval_dev.jsonl").open(encoding="utf-8") as lines:
        rles = [json.loads(line)["segmentation"] for line in itertools.islice(lines, 40)]
    for rle in rles:
        mask = RunMask.from_mask(np.roll(coco_mask.decode(rle), 9, axis=1))
        assert measure(mask, rle).iou == coco_mask.iou([mask.coco_rle()], [rle], [0])[0, 0]


def test_regions_are_united_and_painted_as_asked():
    assert measure([DOG, CAT], np.ones(SHAPE, bool)) == (7, 7, 20)
    assert measure([DOG, DOG], DOG, shape=SHAPE).iou == 1.0
    rows = [[1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 0]]
    boxed = mc.Region("dog", (0, 0, 9, 9), rows, canvas=(10, 10), frame="box")
    full = np.ones((20, 20), bool)
    areas = {}
    for method in (None, "nearest", "smooth", "contour"):
        areas[method] = measure(boxed, full, method=method).prediction
        assert areas[method] == boxed.mask((20, 20), method=method).sum()
        metric = CIoU()
        metric.update(boxed, full, method=method)
        assert metric.compute() == areas[method] / 400
    assert len(set(areas.values())) == 3


def test_polygons_need_a_shape():
    pytest.importorskip("pycocotools.mask")
    square = [[1, 1, 3, 1, 3, 3, 1, 3]]
    assert measure(square, DOG, shape=SHAPE) == (4, 4, 4)
    assert measure(square[0], square, shape=SHAPE) == (4, 4, 4)
    with pytest.raises(mc.MaskError, match=r"polygons need shape=\(height, width\)"):
        measure(square, np.ones(SHAPE, bool))


@pytest.mark.parametrize(
    ("prediction", "target", "shape", "words"),
    [
        ([[1, 0]], [[1], [0]], None, "prediction has 1 x 2 pixels, height x width, but target has"),
        (np.ones((4, 5), bool), None, (5, 4), "prediction has 4 x 5 .*, but shape says 5 x 4"),
        (None, RunMask([20], (4, 5)), (5, 4), "target has 4 x 5 pixels, .* but shape says 5 x 4"),
        (DOG, None, None, "prediction is cells, which do not say how large their image is; pass"),
        ({"counts": [20]}, None, None, 'prediction has no "size"; pass shape='),
        ([RunMask([20], (4, 5)), RunMask([20], (5, 4))], None, None, "part 1, has 5 x 4 pixels"),
        ({"size": [4, 5], "counts": [20]}, np.ones((5, 4), bool), None, "has 4 x 5 .* 5 x 4"),
        ({"size": [4, 5], "counts": [19]}, None, None, "the counts of prediction add up to 19"),
        (np.zeros((0, 4), bool), None, None, "prediction must have at least one pixel"),
        (np.ones((2, 3, 3), bool), None, None, r"prediction must be \(height, width\), got shape"),
        (None, None, (0, 4), "shape must be two integers of at least 1"),
    ],
)
def test_what_does_not_fit_is_named(prediction, target, shape, words):
    with pytest.raises(mc.MaskError, match=words):
        measure(prediction, target, shape=shape)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([DOG, 3], "target is a list of Region, but number 1 is 3"),
        ([RunMask([20], SHAPE), DOG], "target is a list of RunMask, but number 1 is <Region"),
        (b"dog", "target must be a mask or a segmentation, got b'dog'"),
        (np.ones(SHAPE), "target must be bool or an integer type, got float64; threshold it first"),
        (7, "target must be"),
    ],
)
def test_what_is_no_mask_is_named(value, words):
    with pytest.raises((TypeError, mc.MaskError), match=words):
        measure(DOG, value, shape=SHAPE)


# --------------------------------------------------------------------------------------- boxes


def test_boxes_by_hand():
    one = 0, 0, 10, 10
    metric = BoxAccuracy()
    for other in [(0, 0, 10, 20), (5, 0, 15, 10), (10, 0, 20, 10), (20, 20, 30, 30), (0, 0, 5, 9)]:
        metric.update(one, other)  # IoUs of 1/2, 1/3, 0, 0, 0.45
    assert (metric.right, metric.samples, metric.compute()) == (1, 5, 0.2)
    strict = counted(BoxAccuracy, (one, one), (one, (0, 0, 10, 11)), threshold=1)
    assert strict.compute() == 0.5


def test_boxes_of_no_size_are_missed():
    assert counted(BoxAccuracy, ((3, 3, 3, 3), (3, 3, 3, 3))).compute() == 0.0


@pytest.mark.parametrize(
    ("prediction", "target", "right"),
    [
        (None, None, 1),
        ([], np.zeros(SHAPE, bool), 1),
        (None, DOG, 0),
        (DOG, None, 0),
        (DOG, (1, 1, 3, 3), 1),
        (DOG, np.array([1.0, 1.0, 3.0, 3.0], np.float32), 1),
        (DOG, [1, np.int64(1), np.float32(3), 3.0], 1),
        ([DOG, CAT], (1, 0, 5, 3), 1),
        ([DOG, CAT, DOG, CAT], (1, 0, 5, 3), 1),
        (DOG, CAT, 0),
        (DOG.runs(SHAPE), DOG.mask(SHAPE), 1),
        (CAT.coco_rle(SHAPE), (3, 0, 5, 2), 1),
        (RunMask([20], SHAPE), (3, 0, 5, 2), 0),
    ],
)
def test_a_box_may_be_whatever_has_one(prediction, target, right):
    metric = BoxAccuracy(threshold=1.0)
    metric.update(prediction, target, shape=SHAPE)
    assert (metric.right, metric.samples) == (right, 1)


def test_a_regions_box_is_the_one_that_the_text_names():
    loose = mc.Region("dog", (0, 0, 3, 3), np.pad([[1]], ((0, 3), (0, 3))), canvas=(4, 4))
    metric = BoxAccuracy(threshold=1)
    metric.update(loose, (0, 0, 4, 4), shape=(4, 4))
    metric.update(loose.runs((4, 4)), (0, 0, 1, 1))
    assert metric.compute() == 1.0


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 8), max_size=6))
def test_box_accuracy_is_that_of_painted_boxes(drawn):
    metric, right = BoxAccuracy(), 0
    for ends in drawn:
        x1, x2, y1, y2, *_ = first = [*sorted(ends[:2]), *sorted(ends[2:4])]
        u1, u2, v1, v2 = sorted(ends[4:6]) + sorted(ends[6:])
        metric.update((first[0], y1, x2, y2), (u1, v1, u2, v2))
        painted = np.zeros((2, 9, 9), bool)
        painted[0, y1:y2, x1:x2] = painted[1, v1:v2, u1:u2] = True
        both, either = painted.all(axis=0).sum(), painted.any(axis=0).sum()
        right += bool(2 * both >= either and both)
    assert (metric.right, metric.samples) == (right, len(drawn))


@pytest.mark.parametrize(
    "box", [(3, 0, 2, 5), (0, 3, 5, 2), (0, 0, math.nan, 1), (0, 0, math.inf, 1)]
)
def test_what_is_no_box_is_named(box):
    words = r"^prediction must be a box \(x1, y1, x2, y2\) with x1 <= x2 and y1 <= y2, got \["
    with pytest.raises(mc.MaskError, match=words):
        BoxAccuracy().update(box, None)


def test_regions_need_the_size_for_their_boxes():
    with pytest.raises(mc.MaskError, match=r"^target is cells, which do not say how large"):
        BoxAccuracy().update(None, DOG)
    with pytest.raises(TypeError, match=r"^target is a list of Region, but number 1 is 'cat'"):
        BoxAccuracy().update(None, [DOG, "cat"], shape=SHAPE)


@pytest.mark.parametrize("threshold", [0, -1, 1.01, math.nan, "0.5", None])
def test_thresholds_are_shares(threshold):
    words = "^threshold must be above 0 and at most 1, got "
    with pytest.raises(mc.ConfigError, match=words):
        BoxAccuracy(threshold=threshold)


# --------------------------------------------------------------------------------- label maps


def class_twin(pairs, classes, ignore):
    ious = {}
    for value in range(classes):
        both = either = 0
        for prediction, target in pairs:
            kept = target != ignore
            found, wanted = (prediction == value) & kept, target == value
            both += int((found & wanted).sum())
            either += int((found | wanted).sum())
        if either:
            ious[value] = both / either
    return ious


@given(
    st.lists(
        strategies.small_shapes.flatmap(
            lambda shape: st.tuples(
                strategies.hnp.arrays(np.int16, shape, elements=st.sampled_from([-1, 0, 1, 2, 9])),
                strategies.hnp.arrays(np.int16, shape, elements=st.sampled_from([0, 1, 2, 9])),
            )
        ),
        max_size=4,
    )
)
def test_the_iou_of_classes_is_the_twins(drawn):
    expected = class_twin(drawn, 3, ignore=9)
    metric, reverse = ClassIoU(3, ignore=9), ClassIoU(3, ignore=9)
    for prediction, target in drawn:
        metric.update(prediction, target)
    for prediction, target in drawn[::-1]:
        part = ClassIoU(3, ignore=9)
        part.update(prediction, target)
        reverse.merge(pickle.loads(pickle.dumps(part)))
    assert metric == reverse
    assert metric.ious() == reverse.ious() == expected
    mean = sum(expected.values()) / len(expected) if expected else math.nan
    assert repr(metric.compute()) == repr(reverse.compute()) == repr(mean)


def test_classes_by_hand():
    metric = ClassIoU({1: "wall", 2: "dog", 7: "cat"}, ignore=0)
    metric.update(array("1122", "1122"), array("1122", "1102"))
    metric.update(array("2222"), array("1111"))
    # wall: 4 of 4 + 4; dog: 3 of 3 + 4; the cat does not occur
    assert metric.ious() == {"wall": 4 / 8, "dog": 3 / 7}
    assert metric.compute() == (4 / 8 + 3 / 7) / 2


def test_a_class_that_only_predictions_have_counts_0():
    assert counted(ClassIoU, (array("001"), array("000")), classes=5).ious() == {0: 2 / 3, 1: 0.0}


def test_label_grids_count_by_their_names():
    grid = mc.LabelGrid([[0, 1], [2, 1]], ("others", "dog", "tree"))
    metric = ClassIoU(["sky", "dog"])
    metric.update(grid, np.kron(array("01", "11"), np.ones((3, 2), np.uint8)))
    assert metric.ious() == {"sky": 0.0, "dog": 12 / 18}
    with pytest.raises(TypeError, match=r'^prediction is a LabelGrid, .* pass classes={0: "sky"'):
        ClassIoU(2).update(grid, array("01", "11"))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.uint64, np.int64, ">i4"])
def test_label_maps_of_any_integers(dtype):
    metric = counted(ClassIoU, (array("011").astype(dtype), array("001").astype(dtype)), classes=2)
    assert metric.ious() == {0: 1 / 2, 1: 1 / 2}
    assert {type(count) for count in metric._shared.values()} == {int}


def test_values_of_any_size():
    far = 2**40
    metric = ClassIoU({0: "sky", far: "dog"}, ignore=-5)
    metric.update(np.array([[0, far, far, 0]]), np.array([[0, far, 0, -5]]))
    assert metric.ious() == {"sky": 1 / 2, "dog": 1 / 2}


@pytest.mark.parametrize(
    ("prediction", "target", "words"),
    [
        (
            array("03"),
            array("00"),
            "prediction holds 3, which is no class; classes are 0 .. 2, and",
        ),
        (array("00"), array("04"), r"target holds 4, .* classes are 0 \.\. 2, and 255 is ignored"),
        (array("00"), -array("01").astype(int), "target holds -1, which is no class"),
        (array("00"), array("0", "0"), "prediction has 1 x 2 .*, but target has 2 x 1$"),
    ],
)
def test_label_maps_that_do_not_fit_are_refused_whole(prediction, target, words):
    metric = ClassIoU(3, ignore=255)
    with pytest.raises(mc.MaskError, match=words):
        metric.update(prediction, target)
    assert metric == ClassIoU(3, ignore=255)


def test_names_are_listed_where_a_value_is_none():
    with pytest.raises(
        mc.MaskError, match=r"^target holds 3, which is no class; classes are \[1, 2"
    ):
        ClassIoU({1: "wall", 2: "dog"}).update(array("1"), array("3"))


@pytest.mark.parametrize(
    ("classes", "ignore", "words"),
    [
        (0, None, "classes must be at least one, of values of at least 0, got 0 of them"),
        ([], None, "got 0 of them"),
        ({-1: "dog"}, None, "got the value -1"),
        (3, 2, "ignore must be no class's value, got 2"),
        ({7: "dog"}, 7, "ignore must be no class's value, got 7"),
    ],
)
def test_classes_that_are_none_are_refused(classes, ignore, words):
    with pytest.raises(mc.ConfigError, match=words):
        ClassIoU(classes, ignore=ignore)


@pytest.mark.parametrize(("classes", "ignore"), [(2.5, None), (3, "255"), ("dog", None)])
def test_classes_of_another_type_are_refused(classes, ignore):
    with pytest.raises(TypeError):
        ClassIoU(classes, ignore=ignore)


def test_of_no_class_there_is_no_mean():
    metric = counted(ClassIoU, (array("0"), array("9")), classes=2, ignore=9)
    assert metric.ious() == {}
    assert math.isnan(metric.compute())
