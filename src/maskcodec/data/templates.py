"""Wordings of questions and answers, several of each kind, all written for this project."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from maskcodec.errors import ConfigError

_PLACE = re.compile(r"\{(\w*)\}")
_BARE = "whole", "unanswered"  # kinds without {what} begin with these


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """Wordings by kind. Each turn uses one wording of a kind, chosen at random.

    ``{what}`` is the place of the expression, the classes or the question; ``{masks}`` is the place
    of the codec's text. A kind that ends in ``_answers`` has ``{masks}`` once and, except
    `whole_answers`, may have ``{what}``. `whole` and `unanswered` have no place. All others have
    ``{what}`` once.

    Attributes
    ----------
    expression, expression_answers
        For one expression.
    classes, classes_answers
        For one or several classes of an image.
    whole, whole_answers
        For all classes of an image.
    reasoning, reasoning_answers
        For a question that comes with the sample; the answers are for samples without their own.
    box, box_answers
        For boxes without masks.
    nothing
        Answers to an expression that names nothing in the image.
    unanswered
        Answers to a question that no region answers.
    absent
        Answers about a class that the image does not show.

    Raises
    ------
    ConfigError
        A kind has no wording, or a wording is blank, has wrong places, or contains ``<``.

    Examples
    --------
    >>> from maskcodec.data.templates import Templates, filled
    >>> filled(Templates(box=("Where is {what}?",)).box[0], what="the dog")
    'Where is the dog?'
    """

    expression: tuple[str, ...] = (
        "Segment what this describes: {what}.",
        "Please draw the mask of: {what}.",
        'Which part of the image is meant by "{what}"? Answer with a mask.',
        "Mark every pixel of the following: {what}.",
        "I am looking for this: {what}. Where exactly is it?",
        'Find "{what}" and outline it.',
    )
    expression_answers: tuple[str, ...] = (
        "{masks}",
        "This is it: {masks}",
        "Here it is: {masks}",
        "The mask: {masks}",
        'This is where I see "{what}": {masks}',
    )
    classes: tuple[str, ...] = (
        "Segment all objects of these classes: {what}.",
        "Draw a mask for each of these: {what}.",
        "Which pixels belong to the following classes: {what}?",
        "Mark whatever the image has of these: {what}.",
        "Look for the classes {what} and segment all that you find.",
    )
    classes_answers: tuple[str, ...] = (
        "{masks}",
        "Found: {masks}",
        "Here are the masks: {masks}",
        "These are the regions: {masks}",
    )
    whole: tuple[str, ...] = (
        "Segment everything in the image and name it.",
        "What is in this image, and where? Answer with masks.",
        "Divide the whole image into regions and label each of them.",
        "Name every region that you can see and draw its mask.",
        "Give me a complete segmentation of this picture.",
    )
    whole_answers: tuple[str, ...] = (
        "{masks}",
        "The whole image: {masks}",
        "All regions: {masks}",
        "This is what I see: {masks}",
    )
    reasoning: tuple[str, ...] = (
        "{what} Answer with a mask.",
        "{what} Please segment it.",
        "{what} Show me in the image.",
        "Think about this, then draw the answer: {what}",
    )
    reasoning_answers: tuple[str, ...] = (
        "{masks}",
        "The answer is here: {masks}",
        "This region answers it: {masks}",
        "It is this: {masks}",
    )
    box: tuple[str, ...] = (
        "Give only the bounding box of: {what}.",
        'Where is "{what}"? A box is enough.',
        "Put a box around the following: {what}.",
        "Locate this without drawing a mask: {what}.",
    )
    box_answers: tuple[str, ...] = ("{masks}", "It is here: {masks}", "The box: {masks}")
    nothing: tuple[str, ...] = (
        'There is no "{what}" in the image.',
        'I looked, but there is no "{what}" here.',
        'The image shows nothing that fits "{what}".',
    )
    unanswered: tuple[str, ...] = (
        "There is no region in the image that answers this.",
        "Nothing in the image answers that.",
        "I cannot find an answer to that in the image.",
    )
    absent: tuple[str, ...] = (
        "There is no {what} in the image.",
        "The image shows no {what}.",
        "I can see no {what} here.",
    )

    def __post_init__(self) -> None:
        for field in fields(self):
            wordings = getattr(self, field.name)
            if isinstance(wordings, str) or not wordings:
                raise ConfigError(
                    f"templates: {field.name} must be one or several wordings, got {wordings!r}"
                )
            object.__setattr__(self, field.name, tuple(wordings))
            for wording in wordings:
                _check(field.name, wording)


def filled(template: str, **values: str) -> str:
    """Put values into the places of a template; a place inside a value stays as it is."""
    return _PLACE.sub(lambda place: values[place[1]], template)


def _check(kind: str, wording: str) -> None:
    """Refuse a wording that is blank, has wrong places, or contains <."""
    if not wording.strip():
        raise ConfigError(f"templates: {kind} must say something, got {wording!r}")
    bare = kind.startswith(_BARE)
    needed = {"masks"} if kind.endswith("_answers") else set() if bare else {"what"}
    places = _PLACE.findall(wording)
    allowed = needed if bare else needed | {"what"}
    right = all(places.count(place) == 1 for place in needed) and set(places) <= allowed
    if not right or "<" in wording:
        expected = f"{{{next(iter(needed))}}} once" if needed else "no place"
        raise ConfigError(
            f"templates: {kind} must have {expected}, no place without a meaning and no <, "
            f"got {wording!r}"
        )
