"""Samples to rows: questions, and answers that show masks as a codec writes them."""

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


_SHOWN = 200  # characters of a key that a message has


class Row(NamedTuple):
    """One conversation about one image, as no trainer in particular has it."""

    key: str  # that of its first sample
    image: str  # the path of the image; "" for a conversation without one
    messages: tuple[Message, ...]  # user and assistant by turns


@dataclass(slots=True)
class Made:
    """What became of some samples."""

    rows: list[Row] = field(default_factory=list)  # none, or one
    broken: list[Broken] = field(default_factory=list)  # the samples that cannot be used, and why
    # instances of which the codec's cells show nothing, among those that were drawn: a class that
    # lots do not ask for is not looked at
    lost: int = 0
    left_out: int = 0  # samples without a turn, since their answer would have missed something
    cleaned: list[str] = field(default_factory=list)  # what was taken out of labels and questions


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMaker:
    r"""Makes rows of samples: the same ones in every process, in whatever order they come.

    Parameters
    ----------
    codec
        How masks are written.
    seed
        Draws wordings, classes and kinds of questions anew. What is drawn depends on it and on
        the sample's key, and on nothing else.
    templates
        The wordings.
    placeholders
        What to do with labels and questions that hold a trainer's placeholder such as
        ``<image>``, or the codec's own tags, bricks or separators: ``"refuse"`` them, so that the
        sample is broken, or ``"clean"`` them.
    lost
        What to do with an instance of which no cell is left: ``"raise"``, so that the sample is
        broken, whichever classes lots ask for, or ``"drop"``. Dropped, it is left out of answers
        by class; an expression or a question that it belongs to is left out altogether, since the
        answer would be wrong.
    boxes
        The share of expressions and questions by class that ask for boxes only, 0 .. 1. What has
        a crowd among its instances is answered with masks all the same.
    absent
        The share of questions by class that also ask for a class that the image does not show:
        never one whose words are all among those of a class that is there, or the other way
        round. An image without instances is always asked for one; with 0 nothing is, and it has
        no row.
    whole
        The share of samples by class that are asked for all classes: of those that are
        `Sample.complete`, whose instances cover the image, and never others. Semantic maps always
        are.
    targets
        Whether answers carry what they show, for rewards: `Message.targets`.

    Raises
    ------
    ConfigError
        A share is not 0 .. 1, a choice is none, or boxes are asked of a codec that has none.

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
        """The row of one sample, or of several of one image as turns of one conversation."""
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
