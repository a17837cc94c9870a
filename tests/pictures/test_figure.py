import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import maskcodec as mc
from maskcodec.pictures import figure, lettering

SHAPE = (120, 160)


def disc(y, x, radius, shape=SHAPE):
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    return ((ys - y) ** 2 + (xs - x) ** 2 <= radius**2).astype(np.uint8)


def overlay(photo, masks, labels=(), **options):
    return figure.compared(photo, [masks], labels, **options).pictures[0]


@pytest.fixture
def placed(monkeypatch):
    """The corners of the labels that were drawn."""
    found = {}
    place = lettering._free_place

    def spy(tag, *rest):
        given = place(tag, *rest)
        found[tag.text] = given and given.box
        return given

    monkeypatch.setattr(lettering, "_free_place", spy)
    return found


def test_colours_stay_the_same_however_many_there_are():
    assert figure.palette(40)[:3] == figure.palette(3)
    assert len(set(figure.palette(255))) == 255
    assert figure.palette(0) == []
    assert figure.palette(12)[11] == figure.colour_of(11)


def test_a_plain_picture_has_the_shape():
    assert figure.plain((3, 5)).size == (5, 3)


def test_an_overlay_tints_and_outlines_the_mask_alone():
    photo, mask = Image.new("L", SHAPE[::-1], 100), disc(60, 80, 30)
    drawn = np.array(overlay(photo, [mask]))
    assert (drawn[mask == 0] == 100).all()
    red = np.array(figure.colour_of(0))
    assert (drawn[60, 80] == np.round(red / 2 + 50)).all()
    assert (drawn[30, 80] == red).all()
    assert photo.getpixel((80, 60)) == 100


def test_the_edge_of_the_picture_is_no_outline():
    drawn = np.array(overlay(figure.plain(SHAPE), [np.ones(SHAPE)], opacity=0))
    assert (drawn == np.array(figure.CANVAS)).all()


def eroded(mask, by):
    """The mask without its outermost pixels, as long as they are not the picture's."""
    for _ in range(by):
        outer = np.pad(mask, 1, mode="edge")
        mask = mask & outer[:-2, 1:-1] & outer[2:, 1:-1] & outer[1:-1, :-2] & outer[1:-1, 2:]
    return mask


def test_an_overlay_is_made_part_by_part(monkeypatch):
    monkeypatch.setattr(figure, "_BAND", 500)
    shape = 480, 500  # lines are two pixels wide
    photo = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    at = (0, 0, 90), (240, 499, 60), (479, 250, 2), (200, 200, 150)
    masks = [disc(*place, shape) != 0 for place in at]
    expected = photo.copy()
    for number, mask in enumerate(masks):
        colour = np.array(figure.colour_of(number))
        expected[mask] = np.round(expected[mask] * 0.5 + colour * 0.5)
        expected[mask & ~eroded(mask, 2)] = colour
    drawn = overlay(Image.fromarray(photo), [*masks, np.zeros(shape)])
    assert np.array_equal(np.array(drawn), expected)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((480, 640), (480, 640)),
        ((4096, 4096), (4096, 4096)),
        ((9000, 9000), (4096, 4096)),
        ((1, 1 << 27), (1, 1 << 24)),
        ((1 << 27, 1), (1 << 24, 1)),
    ],
)
def test_large_pictures_are_drawn_smaller(shape, expected):
    assert figure.drawn_shape(shape) == expected


def test_a_small_picture_is_drawn_as_it_is(monkeypatch):
    picture = Image.new("RGB", (40, 20))
    assert figure.drawable(picture) is picture
    monkeypatch.setattr(figure, "MOST_DRAWN", 200)
    assert figure.drawable(picture).size == (20, 10)


def test_a_mask_must_have_the_size_of_the_photo():
    message = r"mask 1 must have the photo's shape \(120, 160\), got \(2, 2\)"
    with pytest.raises(ValueError, match=message):
        overlay(figure.plain(SHAPE), [disc(1, 1, 1), np.ones((2, 2))])


def test_labels_do_not_cover_each_other_or_leave_the_picture(placed):
    random = np.random.default_rng(2)
    centres = random.integers(10, 110, (14, 2)).tolist()
    masks = [disc(y, x, 9) for y, x in centres]
    overlay(figure.plain(SHAPE), masks, [f"dog {n}" for n in range(14)])
    corners = [box for box in placed.values() if box is not None]
    assert len(corners) == 14  # some lie apart from what they name
    taken = np.zeros(SHAPE, int)
    for left, top, right, bottom in corners:
        assert 0 <= left < right <= SHAPE[1]
        assert 0 <= top < bottom <= SHAPE[0]
        taken[top:bottom, left:right] += 1
    assert taken.max() == 1


def test_a_label_stands_beside_what_is_small_and_inside_what_is_large(placed):
    shape = (480, 640)
    masks = [disc(240, 100, 12, shape), disc(240, 420, 180, shape)]
    overlay(figure.plain(shape), masks, ["small", "large"])
    left, top, right, bottom = placed["small"]
    assert not masks[0][top:bottom, left:right].any()
    left, top, right, bottom = placed["large"]
    assert masks[1][top:bottom, left:right].all()
    assert abs((left + right) / 2 - 420) < 20


def test_a_large_thing_may_have_no_room_for_a_label(placed):
    stripes = np.zeros((480, 640), np.uint8)
    stripes[::3] = 1
    overlay(figure.plain((480, 640)), [stripes], ["stripes"])
    assert placed["stripes"] is not None


def test_of_a_label_that_does_not_fit_there_is_its_number_if_that_fits(placed):
    drawn = figure.compared(figure.plain((30, 30)), [[disc(15, 15, 9, (30, 30))]], ["a long label"])
    assert placed["a long label"] is None
    assert placed["1"] is not None
    assert drawn.legend == ["1 a long label"]
    tiny = figure.plain((12, 12)), [[disc(6, 6, 4, (12, 12))]]
    assert figure.compared(*tiny, ["dog"]).pictures == figure.compared(*tiny).pictures


def test_what_is_not_there_has_no_label(placed):
    overlay(figure.plain(SHAPE), [np.zeros(SHAPE), disc(60, 80, 20)], ["gone", "there"])
    assert list(placed) == ["there"]


def test_of_very_many_labels_the_largest_masks_have_theirs(placed):
    masks = [disc(60, 80, 1 + n % 40) for n in range(210)]
    overlay(figure.plain(SHAPE), masks, [str(n) for n in range(210)])
    assert len(placed) == 200
    assert "0" not in placed
    assert "39" in placed


def test_labels_are_shown_in_one_line():
    assert lettering.shortened(" a\n dog ") == "a dog"
    long = lettering.shortened("the dog that sleeps under the old apple tree")
    assert long == "the dog that sleeps under the old..."


def test_cells_are_drawn_with_their_lines():
    region = mc.Region("dog", (1, 1, 2, 1), [[1, 1]], canvas=(4, 4))
    drawn = np.array(figure.draw_cells([region], (80, 80)))
    assert (drawn[30, 30] == figure.colour_of(0)).all()
    assert (drawn[30, 39] == figure.colour_of(0)).all()
    assert (drawn[30, 40] != figure.colour_of(0)).any()
    assert (drawn[10, 10] == figure.CANVAS).all()
    small = np.array(figure.draw_cells([region], (8, 8)))
    assert {tuple(pixel) for row in small.tolist() for pixel in row} == {
        figure.CANVAS,
        figure.colour_of(0),
    }


def test_cells_of_a_box_are_drawn_with_their_own_lines():
    colour = np.array(figure.colour_of(0))
    cells = [[1, 1, 0], [1, 1, 1]]
    region = mc.Region("dog", (2, 1, 4, 4), cells, canvas=(8, 8), frame="box")
    drawn = np.array(figure.draw_cells([region], (80, 160)))  # the box is 10 .. 49, 40 .. 99
    mask = region.mask((80, 160), method="nearest") != 0
    rim = np.zeros(mask.shape, bool)
    rim[10:50, 40:100] = True
    rim[11:49, 41:99] = False
    line = np.zeros(mask.shape, bool)
    line[30, 40:100] = line[10:50, 60] = line[10:50, 80] = True
    assert (drawn[mask & ~line] == colour).all()
    assert (
        drawn[mask & line & ~rim] == np.round(0.62 * colour + 0.38 * np.array(figure.LINE))
    ).all()
    assert (drawn[~mask & ~rim] == figure.CANVAS).all()  # lines are drawn on cells that are set
    faint = np.round(0.5 * np.array(figure.CANVAS) + 0.5 * colour)
    assert (drawn[~mask & rim] == faint).all()


def test_every_region_has_the_lines_of_its_own_box():
    codec = mc.Scanlines(rows=3)
    masks = [disc(40, 40, 30), disc(70, 110, 40)]
    regions = codec.decode(codec.encode_many(masks, ["dog", "cat"]))
    drawn = np.array(figure.draw_cells(regions, SHAPE))
    assert (drawn[32, 40] == figure.colour_of(0)).all()
    for region, number, x in zip(regions, (0, 1), (40, 110), strict=True):
        column = drawn[:, x].astype(int)
        colour = np.array(figure.colour_of(number))
        _, y1, _, y2 = region.box_pixels(SHAPE)
        inside = column[int(y1) + 1 : int(y2) - 1]
        assert (inside != colour).any(axis=1).sum() == 2  # no lines between narrow columns
    small = np.array(figure.draw_cells(codec.decode(codec.encode(disc(4, 4, 2), "dog")), SHAPE))
    assert (small[4, 4] == figure.colour_of(0)).all()


def test_panels_stand_in_rows_below_their_titles():
    pictures = [
        (str(n), "remark " * n, Image.new("RGB", (200, 100), (n, 200, 0))) for n in range(5)
    ]
    sheet = np.array(figure.panels(pictures, columns=2))
    places = []
    for n in range(5):
        ys, xs = np.nonzero((sheet == (n, 200, 0)).all(axis=2))
        assert (len(ys), np.ptp(ys), np.ptp(xs)) == (200 * 100, 99, 199)
        places.append((int(ys[0]), int(xs[0])))
    assert places[0][0] == places[1][0] < places[2][0] == places[3][0] < places[4][0]
    assert places[0][1] == places[2][1] == places[4][1] < places[1][1] == places[3][1]
    assert (sheet[0] == 255).all()


def test_a_legend_and_a_caption_stand_below():
    picture = [("one", "", Image.new("RGB", (200, 100)))]
    bare = figure.panels(picture, columns=1)
    few = figure.panels(picture, columns=1, legend=["dog", "cat"])
    many = figure.panels(picture, columns=1, legend=["a rather long label"] * 3)
    captioned = figure.panels(picture, columns=1, caption="<fg1>" * 999)
    assert bare.width == few.width == many.width == captioned.width
    assert bare.height < few.height < many.height
    assert bare.height < captioned.height
    assert figure.colour_of(1) in {colour for _, colour in few.getcolors(1 << 20)}
    assert figure.colour_of(1) not in {colour for _, colour in bare.getcolors(1 << 20)}


def test_text_is_cut_where_it_is_too_long():
    assert lettering.cut("dog", 20, 200) == "dog"
    kept = lettering.cut("dog " * 500, 20, 200)
    assert kept.startswith("dog dog")
    assert kept.endswith(" ...")
    assert 150 < lettering.length(kept, 20) <= 200
    assert lettering.cut("dog", 20, 1) == " ..."


@pytest.mark.parametrize("part", ["<fg:12>", "</ref>", "\\n"])
def test_text_is_not_cut_inside_a_brick_a_tag_or_an_escape(part):
    widths = range(0, 300, 3)
    kept = {lettering.cut(part * 40, 20, width).removesuffix(" ...") for width in widths}
    assert len(kept) > 3
    assert all(text == part * (len(text) // len(part)) for text in kept)


def test_less_than_is_no_brick():
    assert lettering.cut("1 < 2 and a long text", 20, 150).startswith("1 < 2 and")


@pytest.mark.parametrize(
    ("size", "expected"), [((50, 100), (240, 480)), ((640, 500), (640, 500)), ((4000, 8), (960, 2))]
)
def test_pictures_are_fitted_into_panels(size, expected):
    assert figure.fitted(Image.new("L", size)).size == expected
    mask = figure.fitted_mask(np.ones(size[::-1], np.uint8), expected)
    assert mask.shape == expected[::-1]
    assert mask.all()


@pytest.fixture
def fonts(monkeypatch):
    """What fonts of the system there are, by names that are set."""
    caches = lettering._fonts, lettering._font, lettering._lettered, lettering._has_letter
    for cache in caches:
        cache.cache_clear()

    def choose(*names):
        monkeypatch.setattr(lettering, "_FONTS", names)

    yield choose
    for cache in caches:
        cache.cache_clear()


def test_labels_take_the_first_font_that_has_their_letters(fonts, monkeypatch):
    fonts("none.ttf", "latin.ttf", "han.ttf")
    asked, own = [], ImageFont.load_default(20)

    def truetype(name, _):
        if not isinstance(name, str):  # Pillow's own font is no name
            return own
        asked.append(name)
        if name == "none.ttf":
            raise OSError("cannot open resource")
        return own

    monkeypatch.setattr(lettering.ImageFont, "truetype", truetype)
    monkeypatch.setattr(lettering, "_has_letter", lambda name, one: one < "z" or "han" in name)
    assert lettering._lettered("dog") == ("", "dog")
    assert lettering._lettered("狗") == ("han.ttf", "狗")
    assert lettering.length("狗", 14) > 0
    assert asked == ["none.ttf", "latin.ttf", "han.ttf", "han.ttf"]


def test_what_no_font_has_is_written_as_escapes(fonts):
    fonts("no such font.ttf")
    assert lettering._lettered("a 狗\n\ud800") == ("", r"a \u72d7\n\ud800")
    assert lettering.unlettered(["dog", "狗 🐕"]) == ["狗", "🐕"]
    drawn = Image.new("RGB", (200, 40))
    lettering.write(ImageDraw.Draw(drawn), (2, 20), "狗", 14, (255, 255, 255))
    other = Image.new("RGB", (200, 40))
    lettering.write(ImageDraw.Draw(other), (2, 20), r"\u72d7", 14, (255, 255, 255))
    assert drawn == other
    assert drawn.getbbox() is not None


def test_text_is_broken_into_lines():
    text = "segment all of the small dogs that sleep"
    lines = lettering.wrapped(text, 20, 150)
    assert " ".join(lines) == text
    assert len(lines) > 2
    assert all(lettering.length(line, 20) <= 150 for line in lines)
    assert lettering.wrapped(text, 20, 150, 20)[0] == ""
    assert lettering.wrapped("", 20, 150) == [""]
    assert lettering.wrapped("dog" * 100, 20, 150) == [lettering.cut("dog" * 100, 20, 150)]


def test_a_title_is_not_cut():
    picture = Image.new("RGB", (200, 100))
    one = figure.panels([("one", "a remark", picture)], columns=1)
    two = figure.panels(
        [("one", "a remark of several lines, below each other", picture)], columns=1
    )
    assert two.width == one.width
    assert two.height > one.height


def test_many_colours_keep_apart():
    seen = figure._seen(np.array(figure.palette(40)))
    away = np.sqrt(((seen[:, None] - seen) ** 2).sum(axis=2)) + np.eye(40)
    assert away.min() > 0.06
    assert figure.colour_of(256) == figure.colour_of(0)


def test_pictures_of_the_same_masks_have_labels_in_the_same_places():
    masks = [disc(60, 40, 20), disc(60, 120, 20)]
    drawn = figure.compared(figure.plain(SHAPE), [masks, [masks[0], np.zeros(SHAPE)]], ["a", "b"])
    assert drawn.legend == []
    assert drawn.pictures[0] == overlay(figure.plain(SHAPE), masks, ["a", "b"])
    assert drawn.pictures[1] == overlay(figure.plain(SHAPE), masks[:1], ["a"])


def test_a_label_with_remarks_has_one_place_for_all_of_them(placed):
    photo, masks = figure.plain(SHAPE), [disc(60, 80, 40)]
    remarks = [[""], ["0.5"], ["0.123"]]
    drawn = figure.compared(photo, [masks] * 3, ["dog"], remarks=remarks)
    assert list(placed) == ["dog 0.123"]
    (tinted,) = figure.compared(photo, [masks]).pictures
    spans = []
    for picture in drawn.pictures:
        ys, xs = np.nonzero((np.array(picture) != np.array(tinted)).any(axis=2))
        spans.append((xs.min(), xs.max(), ys.min(), ys.max()))
    lefts, rights, tops, bottoms = map(set, zip(*spans, strict=True))
    assert len(lefts) == len(rights) == 3
    assert len(tops) == len(bottoms) == 1
    middles = [left + right for left, right, *_ in spans]
    assert max(middles) - min(middles) <= 2  # of two pixels' halves


def test_many_masks_have_numbers_and_a_legend():
    masks = [disc(20 + 40 * (n % 3), 15 + 30 * (n // 3), 9) for n in range(11)]
    labels = [f"the dog in place {n}" for n in range(11)]
    drawn = figure.compared(figure.plain(SHAPE), [masks], labels)
    assert drawn.legend == [f"{n} {label}" for n, label in enumerate(labels, 1)]
    numbers = [str(n) for n in range(1, 12)]
    assert drawn.pictures == [overlay(figure.plain(SHAPE), masks, numbers)]
    few = figure.compared(figure.plain((30, 30)), [[disc(15, 15, 9, (30, 30))]], ["a long label"])
    assert few.legend == ["1 a long label"]  # which finds no place on the picture


def test_a_long_legend_says_how_many_it_leaves_out():
    assert figure.legend_of([], 14, 300).height == 0
    all_of_them = figure.legend_of([str(n) for n in range(200)], 14, 300)
    more = figure.legend_of([str(n) for n in range(9999)], 14, 300)
    assert all_of_them.height <= more.height <= all_of_them.height + 28
    assert all_of_them.crop((0, 0, 300, 200)) == more.crop((0, 0, 300, 200))


@pytest.mark.parametrize("module", ["figure", "demo"])
def test_pictures_need_no_command_line(module):
    code = f"import sys, json, maskcodec.pictures.{module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = json.loads(done.stdout)
    assert "PIL" in loaded
    assert not {"typer", "rich", "maskcodec.cli", "numba"} & set(loaded)
