"""What sources give, for comparison, and changes to what they read."""

from maskcodec.coco import read
from maskcodec.data import Broken, Sample

MINE = "ade20k", "coco", "gseval", "index", "llava", "lvis", "masks", "panoptic", "pix2cap"


def painted(sample):
    """The label and the pixels of each instance."""
    return [
        (one.label, read(one.segmentation, shape=sample.shape).mask().tolist())
        for one in sample.instances
    ]


def pixels(mask):
    return mask.astype(int).tolist()


def broken(source):
    """What is wrong with the records that are, without the file's path."""
    found = [(str(one.where), one.message) for one in source if isinstance(one, Broken)]
    return [(where.replace(f"{source.path}: ", ""), message) for where, message in found]


def keys(source):
    return [one.key for one in source if isinstance(one, Sample)]


def changed(name, index, /, **fields):
    """Change fields of an entry; None takes one away."""

    def change(content):
        for key, value in fields.items():
            if value is None:
                del content[name][index][key]
            else:
                content[name][index][key] = value

    return change


def entry(name, index, value):
    return lambda content: content[name].__setitem__(index, value)


EMPTY = "; a mask is needed, not only a box"
