"""Files that are opened by name: no program starts, nothing is waited for, memory has bounds."""

import os
import stat
import subprocess
import sys
import tracemalloc
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from maskcodec import SourceError
from maskcodec.cli.read import read_mask
from maskcodec.coco import RunMask
from maskcodec.data import Broken, _labelmaps, open_source
from maskcodec.data._labelmaps import picture_mask, read_index, read_segments
from maskcodec.data._names import read_names
from maskcodec.data._pictures import picture_shape
from maskcodec.files import images as image_files
from maskcodec.files import regular
from maskcodec.files.images import LABEL_MAPS, MASKS, PHOTOS, opened_image
from maskcodec.files.photos import as_picture
from maskcodec.files.regular import open_regular
from maskcodec.hf.conversation import Pictures
from tests import datasets

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"
KINDS = ["folder", "pipe", "socket", "device"]
on_unix = pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")

IMAGES = {  # everything that opens an image, and the formats that it reads
    "index": (read_index, LABEL_MAPS),
    "panoptic": (read_segments, LABEL_MAPS),
    "label": (lambda path: picture_mask(path, (4, 4)), LABEL_MAPS),
    "size": (picture_shape, PHOTOS),
    "encode": (lambda path: read_mask(str(path)), MASKS),
    "photo": (as_picture, PHOTOS),
    "generate": (as_picture, PHOTOS),
    "collate": (lambda path: Pictures(path.parent).load(path.name, "row 0"), PHOTOS),
    "bytes": (lambda path: Pictures(path.parent).load(path.read_bytes(), "row 0"), PHOTOS),
}
images = pytest.mark.parametrize(("read", "formats"), IMAGES.values(), ids=IMAGES)
files = pytest.mark.parametrize(
    "read",
    [read for name, (read, _) in IMAGES.items() if name != "bytes"]
    + [
        lambda path: read_names(path, 0),
        lambda path: open_source("llava", path),
        lambda path: open_source("gseval", path),
        lambda path: open_source("coco", path),
        lambda path: open_source("panoptic", path),
        lambda path: open_source("muse", path),
    ],
)


@pytest.fixture
def programs(monkeypatch):
    """The programs that were started, by Pillow's reader of PostScript or anybody."""
    started = []

    def start(*args, **_):
        started.append(args)
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", start)
    yield started
    assert started == []


def made(kind, path):
    """A file of a kind that is not regular."""
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    else:
        path.symlink_to("/dev/zero")
    return path


@images
def test_no_program_is_started_for_an_image(programs, tmp_path, read, formats):
    (tmp_path / "a.png").write_bytes(POSTSCRIPT)
    with pytest.raises(SourceError) as caught:
        read(tmp_path / "a.png")
    expected = "PNG" if formats == LABEL_MAPS else f"{', '.join(formats[:-1])} or {formats[-1]}"
    message = f"is not a {expected} image; it seems to be PostScript"
    assert str(caught.value).endswith(message)
    assert programs == []


def test_no_program_is_started_for_a_dataset(programs, tmp_path):
    content = datasets.panoptic(tmp_path)
    path = datasets.write(tmp_path / "panoptic_val2017.json", content)
    captions = datasets.write(tmp_path / "pix2cap.json", datasets.pix2cap(tmp_path))
    masks = tmp_path / "panoptic_val2017"
    for key in (7, 8):
        (masks / f"{key:012}.png").write_bytes(POSTSCRIPT)
    datasets.label_maps(tmp_path)
    (tmp_path / "maps" / "b.png").write_bytes(POSTSCRIPT)
    for part in ("images", "labels", "QAs"):
        (tmp_path / "earth" / part).mkdir(parents=True)
    (tmp_path / "earth" / "QAs" / "1.json").write_text('{"questions": ["a?"], "answer": ["b"]}')
    Image.new("L", (4, 4)).save(tmp_path / "earth" / "images" / "1.png")
    (tmp_path / "earth" / "labels" / "1.png").write_bytes(POSTSCRIPT)
    found = [
        *open_source("panoptic", path),
        *open_source("pix2cap", captions, masks=masks),
        open_source("index", tmp_path / "maps" / "b.png", names=tmp_path / "names.csv")[0],
        *open_source("earthreason", tmp_path / "earth"),
    ]
    assert {type(one) for one in found} == {Broken}
    assert {one.message.partition("is not")[2] for one in found} == {
        " a PNG image; it seems to be PostScript"
    }
    assert programs == []


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "ICO", "PCX"])
@images
def test_the_formats_that_are_read(tmp_path, read, formats, kind):
    path = tmp_path / "a.png"
    Image.new("RGB" if read is read_segments else "L", (4, 4), 9).save(path, kind)
    if kind in formats:
        read(path)
    else:
        with pytest.raises(SourceError, match="is not a PNG"):
            read(path)


def test_a_camera_may_write_several_pictures_into_a_file(tmp_path):
    photo = Image.new("RGB", (6, 4))
    photo.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[photo])
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.format == "MPO"
    assert as_picture(tmp_path / "a.jpg").size == (6, 4)
    assert picture_shape(tmp_path / "a.jpg") == (4, 6)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "a.png is not a PNG image"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a.png is not a PNG image; it seems to be WEBP"),
        (b"\0\0\0 ftypheic\0\0\0\0", "a.png is not a PNG image; it seems to be HEIC"),
        (b"<!DOCTYPE html>", "a.png is not a PNG image; it seems to be HTML"),
        (
            b"\x89PNG\r\n\x1a\nnothing",
            "a.png is not an image that can be read: it begins as PNG, but its header is broken",
        ),
    ],
)
def test_it_is_said_what_a_file_seems_to_be(data, said):
    with pytest.raises(SourceError) as caught, opened_image(data, LABEL_MAPS, "a.png"):
        pass
    assert str(caught.value) == said


@on_unix
@pytest.mark.parametrize("kind", KINDS)
@files
def test_only_regular_files_are_read(tmp_path, kind, read):
    path = made(kind, tmp_path / "a.png")
    with pytest.raises(SourceError, match=rf"a\.png is a {kind}, and only a regular file is read"):
        read(path)


@on_unix
def test_a_file_that_becomes_a_pipe_is_not_waited_for(tmp_path, monkeypatch):
    path = made("pipe", tmp_path / "a.png")
    regular = Path(__file__).stat()
    monkeypatch.setattr(Path, "stat", lambda _: regular)
    with pytest.raises(SourceError, match="is a pipe, and only a regular file is read: save what"):
        open_regular(path)


@files
def test_a_name_that_no_file_can_have(tmp_path, read):
    with pytest.raises(SourceError, match=r"is no name of a file: .*embedded null"):
        read(tmp_path / "a\0.png")


@pytest.mark.parametrize("read", [picture_shape, lambda path: Pictures(path.parent).load(path, "")])
def test_files_that_cannot_be_opened(tmp_path, read):
    with pytest.raises(SourceError, match="cannot be read: File name too long"):
        read(tmp_path / ("a" * 300))


@on_unix
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_hides_no_file(tmp_path, kind):
    Image.new("L", (4, 4)).save(tmp_path / "a.jpg")
    text = '{"text": "b", "is_sentence": true, "shapes": []}'
    (tmp_path / "a.json").write_text(text)
    made(kind, tmp_path / "a.png")
    made(kind, tmp_path / "c.json")
    (found,) = open_source("reasonseg", tmp_path)
    assert found.message == 'nothing of a "target" is left of its 0 polygons'
    Image.new("L", (4, 4), 1).save(tmp_path / "b.png")
    (tmp_path / "names.txt").write_text("nothing\nwall")
    source = open_source("index", tmp_path, names=tmp_path / "names.txt")
    assert [sample.key for sample in source] == ["index:b"]
    made(kind, tmp_path / "refs(unc).p")
    with pytest.raises(SourceError, match=r"has no refs\(\*\)\.p"):
        open_source("refer", tmp_path)


@on_unix
def test_a_link_that_leads_nowhere_is_missing(tmp_path):
    (tmp_path / "names.txt").write_text("nothing\nwall")
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "b.json").symlink_to("b.json")
    (found,) = open_source("index", tmp_path, names=tmp_path / "names.txt")
    assert found == Broken(f"{tmp_path}/a.png", "it is missing")
    (found,) = open_source("reasonseg", tmp_path)
    assert found.message.startswith(f"{tmp_path}/b.json cannot be read: ")


@on_unix
def test_a_name_may_not_lead_out_of_its_folder_by_a_link(tmp_path):
    content = datasets.panoptic(tmp_path / "there")
    masks = tmp_path / "here" / "masks"
    masks.mkdir(parents=True)
    (masks / "out").symlink_to(tmp_path / "there" / "panoptic_val2017")
    (masks / "in").mkdir()
    blob = tmp_path / "there" / "panoptic_val2017" / f"{7:012}.png"
    (masks / "in" / "7.png").symlink_to(blob)  # as in Hugging Face's cache
    (tmp_path / "link").symlink_to(masks)
    for entry, name in zip(content["annotations"], [f"out/{8:012}.png", "in/7.png"], strict=True):
        entry["file_name"] = name
    path = datasets.write(tmp_path / "a.json", content)
    for folder in masks, tmp_path / "link":
        first, second = open_source("panoptic", path, masks=folder)
        assert first == Broken(
            f"{path}: image 8", f"'out/{8:012}.png' leads out of {folder} by a link"
        )
        assert second.key == "panoptic:7"


@on_unix
def test_links_in_a_circle_lead_nowhere(tmp_path):
    content = datasets.panoptic(tmp_path)
    masks = tmp_path / "panoptic_val2017"
    (masks / "round").symlink_to("round")
    content["annotations"][0]["file_name"] = "round/8.png"
    path = datasets.write(tmp_path / "panoptic_val2017.json", content)
    found = open_source("panoptic", path)[0]
    assert found.message.startswith(f"{masks}/round/8.png cannot be read: ")


def rows(side):
    """A label map that changes with every row, which takes little room in a file."""
    return np.arange(side, dtype=np.uint8)[:, None] % 2 * np.full(side, 255, np.uint8)


def peak(call):
    """What a call takes of memory, but for Pillow's own."""
    tracemalloc.start()
    try:
        with pytest.raises(SourceError) as caught:
            call()
        return str(caught.value), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("read", "mode"),
    [
        (lambda path, _: read_index(path), "L"),
        (read_segments, "RGB"),
        (picture_mask, "L"),
        (picture_mask, "P"),
    ],
)
def test_the_runs_of_a_map_are_bounded(tmp_path, monkeypatch, read, mode):
    monkeypatch.setattr(_labelmaps, "MOST_RUNS", 1 << 16)
    Image.fromarray(rows(2048)).convert(mode).save(tmp_path / "a.png")
    message, taken = peak(lambda: read(tmp_path / "a.png", (2048, 2048)))
    assert message == (
        f"{tmp_path}/a.png has more than 65,536 runs of equal pixels down its columns, which only "
        "noise has; smooth it, or cut it up"
    )
    assert taken < 40_000_000  # for each of 4 million runs would be 100 bytes


def test_the_values_of_a_map_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(_labelmaps, "MOST_VALUES", 15)
    Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).save(tmp_path / "a.png")
    with pytest.raises(SourceError, match=r"has 16 values; a label map of up to 15 is read"):
        read_index(tmp_path / "a.png")


@pytest.mark.parametrize("shape", [(7, 5), (1, 40), (40, 1), (6, 6)])
def test_a_map_may_be_taken_apart_anywhere(tmp_path, monkeypatch, shape):
    values = np.random.default_rng(0).integers(0, 3, shape, np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    for pixels in (1, 4, 6, 13, 100):
        monkeypatch.setattr(_labelmaps, "_PIECE", pixels)
        for value, mask in read_index(tmp_path / "a.png").items():
            assert mask == RunMask.from_mask(values == value)


@images
def test_an_image_may_not_claim_any_size(tmp_path, monkeypatch, read, formats):
    monkeypatch.setattr(image_files, "MOST_CLAIMED", 15)
    Image.new("RGB" if read is read_segments else "L", (4, 4)).save(tmp_path / "a.png")
    if read is picture_shape:
        assert read(tmp_path / "a.png") == (4, 4)
    else:
        assert formats
        with pytest.raises(SourceError, match=r"claims 4 x 4 pixels; up to 15 are read"):
            read(tmp_path / "a.png")


def test_an_image_in_bytes():
    file = BytesIO()
    Image.new("RGB", (6, 4)).save(file, "PNG")
    with opened_image(file.getvalue(), PHOTOS, "it") as image:
        assert image.size == (6, 4)
    with (
        pytest.raises(SourceError, match="it is not an image that can be read: image file is"),
        opened_image(file.getvalue()[:45], PHOTOS, "it") as image,
    ):
        image.load()


def test_what_is_listed_may_not_be_looked_at():
    class Entry:
        def is_symlink(self):
            raise PermissionError

    assert regular.is_file(Entry())
