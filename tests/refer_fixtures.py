"""Small datasets in REFER's layout, and pickles as Python 2 wrote them."""

from __future__ import annotations

import json
import struct

SQUARE = [[1, 1, 4, 1, 4, 4, 1, 4]]
RLE = [{"size": [6, 8], "counts": "9240k0"}]


def python2(value, protocol=0):
    """A pickle with the byte strings of Python 2, which Python 3 does not write."""
    start = bytes([0x80, 2]) if protocol == 2 else b""
    return start + _python2(value, protocol) + b"."


def _python2(value, protocol):
    if isinstance(value, str):
        data = value.encode()
        if protocol:
            return b"U" + bytes([len(data)]) + data
        return b"S" + repr(data)[1:].encode() + b"\n"
    if isinstance(value, int):
        return f"I{value}\n".encode() if protocol == 0 else b"J" + struct.pack("<i", value)
    if isinstance(value, list):
        return b"(l" + b"".join(_python2(one, protocol) + b"a" for one in value)
    pairs = [_python2(one, protocol) for pair in value.items() for one in pair]
    return b"(" + b"".join(pairs) + b"d"


def sentence(number, text):
    return {"sent_id": number, "sent": text, "raw": text.title(), "tokens": text.split()}


def ref(number, *texts, split="train", ann_id=None, image_id=1, **more):
    spoken = [sentence(10 * number + k, text) for k, text in enumerate(texts)]
    return {
        "ref_id": number,
        "ann_id": number if ann_id is None else ann_id,
        "category_id": 3,
        "image_id": image_id,
        "file_name": f"COCO_train2014_000000000001_{number}.jpg",
        "split": split,
        "sentences": spoken,
        "sent_ids": [one["sent_id"] for one in spoken],
    } | more


def annotation(number, image_id=1, segmentation=None, **more):
    found = SQUARE if segmentation is None else segmentation
    box = {"bbox": [1, 1, 3, 3], "area": 9, "category_id": 3}
    return {"id": number, "image_id": image_id, "segmentation": found, "iscrowd": 0} | box | more


def image(number, **more):
    name = f"COCO_train2014_{number:012d}.jpg"
    return {"id": number, "file_name": name, "height": 6, "width": 8} | more


def write(folder, refs, *, file="refs(unc).p", images=None, annotations=None):
    """A folder in REFER's layout; `refs` may be the bytes of a file."""
    folder.mkdir(exist_ok=True)
    if not isinstance(refs, bytes):
        refs = python2(refs) if file.endswith(".p") else json.dumps(refs).encode()
    (folder / file).write_bytes(refs)
    tables = {
        "info": {},
        "images": [image(1), image(2)] if images is None else images,
        "annotations": [annotation(7), annotation(8)] if annotations is None else annotations,
        "categories": [{"id": 3, "name": "dog", "supercategory": "animal"}],
    }
    (folder / "instances.json").write_text(json.dumps(tables))
    return folder
