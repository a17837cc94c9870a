"""Make rows of samples: questions, and answers that show masks as a codec writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from maskcodec.data.drawing import check_draws
from maskcodec.data.labels import Placeholders
from maskcodec.data.sample import Broken
from maskcodec.data.templates import Templates
from maskcodec.data.turns import Message, Turns
from maskcodec.errors import ConfigError, MaskCodecError
from maskcodec.messages import check_choice
from maskcodec.text.codec import Lost

if TYPE_CHECKING:
    from maskcodec.data.sample import Sample
    from maskcodec.text.codec import Codec


_SHOWN = 200  # characters of a key in a message


class Row(NamedTuple):
    """One conversation about one image, in no trainer's format."""

    key: str  # the key of its first sample
    image: str  # the path of the image; "" for a conversation without one
    messages: tuple[Message, ...]  # user and assistant in turn


@dataclass(slots=True)
class Made:
    """The result for some samples."""

    rows: list[Row] = field(default_factory=list)  # at most one
    broken: list[Broken] = field(default_factory=list)  # the samples that cannot be used, and why
    # drawn instances that have no cell left; a class that no question asks for is not drawn
    lost: int = 0
    left_out: int = 0  # samples without a turn, because their answer would miss an instance
    cleaned: list[str] = field(default_factory=list)  # text removed from labels and questions


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMaker:
    r"""Makes rows of samples. They are the same in every process and for every order of samples.

    Parameters
    ----------
    codec
        Writes the masks.
    seed
        The seed of the random choice of wordings, classes and kinds of questions. A choice depends
        only on the seed and the sample's key.
    templates
        The wordings.
    placeholders
        What to do with labels and questions that contain a trainer's placeholder such as
        ``<image>``, or the codec's own tags, bricks or separators. ``"refuse"`` makes the sample
        broken; ``"clean"`` replaces them with spaces.
    lost
        What to do with an instance that has no cell left. ``"raise"`` makes the sample broken, even
        if no question asks for the instance. ``"drop"`` leaves the instance out of answers by
        class; it leaves out an expression or a question about the instance, because the answer
        would be wrong.
    boxes
        The share of expressions and questions by class that ask for boxes only, 0 .. 1. If one of
        the instances is a crowd, the answer always shows masks.
    absent
        The share of questions by class, 0 .. 1, that also ask for a class that the image does not
        show. Its words are never all in the label of a class that the image shows, or the other
        way round. An image without instances is always asked for an absent class; with 0, such an
        image has no row.
    whole
        The share of complete samples by class that ask for all classes, 0 .. 1, see
        `Sample.complete`. A semantic sample always asks for them if the codec writes label maps.
    targets
        Whether answers also have their masks as JSON, for rewards: `Message.targets`.

    Raises
    ------
    ConfigError
        A share is not 0 .. 1, a choice is unknown, the codec cannot draw several instances, or
        boxes are asked of a codec that has none.

    Examples
    --------
    >>> import maskcodec as mc
    >>> from maskcodec.data.rows import RowMaker
    >>> from maskcodec.data.sample import Instance, Sample
    >>> rle = {"size": [4, 4], "counts": "52203"}
    >>> sample = Sample(key="mine:1", image="1.jpg", shape=(4, 4), task="expression",
    ...                 query="the dog", instances=(Instance(label="the dog", segmentation=rle),))
    >>> (row,) = RowMaker(codec=mc.BSD(grid=4))(sample).rows
    >>> for message in row.messages:
    ...     print(message.role, repr(message.text))
    user 'Please draw the mask of: the dog.'
    assistant 'Here it is: <ref>the dog</ref><box>[[1 1 2 2]]</box><seg><fg2>\n<fg2></seg>'
    """

    codec: Codec
    seed: int = 0
    templates: Templates = field(default_factory=Templates)
    placeholders: Placeholders = "refuse"
    lost: Lost = "drop"
    boxes: float = 0.0
    absent: float = 0.1
    whole: float = 0.5
    targets: bool = False

    def __post_init__(self) -> None:
        check_choice(self.placeholders, Placeholders, "placeholders")
        check_choice(self.lost, Lost, "lost")
        for name in ("boxes", "absent", "whole"):
            share = getattr(self, name)
            if not isinstance(share, (int, float)) or not 0 <= share <= 1:
                raise ConfigError(f"{name} is a share, 0 .. 1, got {share!r}")
        check_draws(self.codec)
        if self.boxes and not self.codec.has_boxes:
            raise ConfigError(
                f"boxes need a codec that has them, scanlines or b-sd; got {self.codec.codec_id}"
            )

    def __call__(self, *samples: Sample) -> Made:
        """Make a row of one sample, or of several of one image as turns of one conversation."""
        made = Made()
        messages: list[Message] = []
        for sample in samples:
            turns = Turns(self, sample)
            try:
                said = turns.messages()
            except (MaskCodecError, TypeError) as error:
                made.broken.append(Broken(f"{sample.key:.{_SHOWN}}", str(error)))
                continue
            messages += said
            made.lost += turns.lost
            made.left_out += not said
            made.cleaned += turns.cleaned
        if messages:
            made.rows.append(Row(samples[0].key, samples[0].image, tuple(messages)))
        return made
