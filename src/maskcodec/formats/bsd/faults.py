"""What is wrong with the rows of an instance, in words."""

from __future__ import annotations

from typing import NamedTuple

from maskcodec.kernels import reading as k


class RowFault(NamedTuple):
    """One of the faults that `reading.draw` records.

    Attributes
    ----------
    kind, row, found
        As the kernel has them: ``ROW_...`` or another, the row, and what was found there.
    name
        The label, as it is shown.
    rows, width
        What the box has, or in the box frame may have at most.
    framed
        Whether cells belong to the box, so that the text says how many there are.
    """

    kind: int
    row: int
    found: int
    name: str
    rows: int
    width: int
    framed: bool

    @property
    def quotes(self) -> bool:
        """Whether the report quotes the text at fault, up to `found`."""
        return self.kind in (k.STRAY_TEXT, k.BAD_NUMBER, k.REPEAT_FIRST, k.REPEAT_BESIDE)

    def report(self, text: str) -> tuple[str, str, str]:
        """The reason, the message, and what was done about it."""
        where = f"row {self.row + 1} of {self.name}"
        if not self.framed:
            where = f"row {self.row + 1} of {self.rows} of {self.name}"
        if self.kind in (k.ROW_LONG, k.ROW_SHORT):
            most = self.framed and self.row == 0 and self.kind == k.ROW_LONG
            expected = f"at most {self.width}" if most else f"expected {self.width}"
            message = f"{where} adds up to {self.found} cells, {expected}"
            if self.kind == k.ROW_LONG:
                return "row-long", message, "cut it"
            return "row-short", message, "filled it with background"
        if self.kind == k.ROW_MISSING:
            message = f"{self.name} has {self.found} of the {self.rows} rows of its box"
            return "rows-missing", message, "left the rest background"
        if self.kind == k.ROW_EXTRA:
            which = "a box may have" if self.framed else "of its box"
            message = f"{self.name} has more than the {self.rows} rows {which}"
            return "rows-extra", message, "left them out"
        if self.kind == k.STRAY_TEXT:
            return "extra-text", f"{text!r} in {where} is no brick", "passed over it"
        if self.kind == k.STRAY_SEPARATOR:
            message = f"a newline in {where}, but rows have no separator here"
            return "separator", message, "ended the row there"
        if self.kind == k.REPEAT_FIRST:
            return "repeat", f"{text!r} in {where} has no row above it", "passed over it"
        if self.kind == k.REPEAT_BESIDE:
            message = f"{text!r} in {where} stands beside others: a repeat is a row of its own"
            return "repeat", message, "passed over it"
        message = f"{text!r} in {where} must say 1 .. 63, without leading zeros"
        return "brick-number", message, "took it as the number it says"
