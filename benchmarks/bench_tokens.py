"""How fast masks become token ids and ids masks, beside a tokenizer with a parser behind it.

The vocabulary is Qwen's, extended by `maskcodec.extend_tokenizer`. Every result is checked before
it is timed. Calls are timed in turns, one inner loop each; a ratio is the median of the turns'
ratios. The exit code is 1 where a limit is missed or a result is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

import maskcodec as mc
from _common import Table, measure, middle, paragraph, spread, versions, write_page
from _idtasks import (
    AND_PARSE,
    BATCH,
    COUNT,
    LIBRARIES,
    OF_TEXT,
    OURS,
    PARSERS,
    TO_CELLS,
    TO_IDS,
    all_tasks,
    animals,
    make_setup,
)
from _steps import (
    NEW_GUIDES,
    PUSHED,
    TIMED,
    WAYS,
    WHOLE,
    Steps,
    answers_of,
    guide_steps,
    stream_times,
)
from _tasks import GRID, LABEL, SHAPE, animal, check
from bench_codec import BRICK, Claim, claims_table, misses, speed_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from _common import Times

PACKAGES = "maskcodec", "numba", "numpy", "tokenizers", "transformers"
COMMAND = "python benchmarks/bench_tokens.py"
STEP_LIMIT = 20  # µs
BY_TEXT = """
    `codec.decode` is compiled, too, so its text costs an answer 0.06 to 0.1 ms more than ids do,
    which you notice only if you decode thousands of answers a second."""
SLOW_STEPS = """
    The slowest steps of a guide are the first of their kind, and take less than 1 ms; a large
    model takes many milliseconds for a token, so its answers come as fast as before."""


def guides_table(found: dict[str, dict[str, Steps]]) -> Table:
    """What a step takes, by format, way and phase."""
    table = Table(["", "µs, median", "99 %", "new", "steps"])
    for title, rows in found.items():
        table.add(
            title,
            [
                (
                    name,
                    middle(steps.known),
                    middle(steps.tails),
                    middle(steps.largest),
                    str(len(steps.known)),
                )
                for name, steps in rows.items()
            ],
        )
    return table


def claims(
    times: dict[str, Times], pushes: Times, guides: dict[str, dict[str, Steps]]
) -> list[Claim]:
    """What was asked for, and what was measured."""
    ours_ids, ours_cells = times[f"{TO_IDS}: {OURS}"], times[f"{TO_CELLS}: {OURS}"]
    found = []
    for who in LIBRARIES:
        ratio = times[f"{TO_IDS}: {OF_TEXT.format(who)}"] / ours_ids
        found.append(Claim(f"mask to ids: {who}' encode over ours", ratio, 10, "x", at_least=True))
    for who, parser in product(LIBRARIES, PARSERS):
        name = AND_PARSE.format(f"{who}' decode", parser)
        ratio = times[f"{TO_CELLS}: {AND_PARSE.format(who, parser)}"] / ours_cells
        text = f"ids to cells: {name}, over ours"
        found.append(Claim(text, ratio, 20, "x", at_least=True, means=BY_TEXT))
    found += [
        Claim("encode_batch: a mask of 1,000", times[f"{BATCH}: {OURS}"], 12, "µs"),
        Claim(
            f"a push after {PUSHED:,} ids over one before", pushes[:, 1] / pushes[:, 0], 1.1, "x"
        ),
    ]
    for title, rows in guides.items():
        for way in WAYS:
            steps = rows[f"{way}: {WHOLE}"]
            found += [
                Claim(text, values, STEP_LIMIT, "µs", means=SLOW_STEPS)
                for text, values in (
                    (f"{title}, {way}: a step", steps.known),
                    ("the same, 99 % of an answer's", steps.tails),
                    ("the same, the largest in a new guide", steps.largest),
                )
            ]
    return found


def once(make: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and its milliseconds."""
    start = time.perf_counter()
    made = make()
    return made, (time.perf_counter() - start) * 1e3


def others_table(pushes: Times, starting: Times, ready: dict[str, list[float]]) -> Table:
    """The stream, and what is made once."""
    table = Table(["", "median", "10 .. 90 %"])
    rows = [
        (f"a push, the first {TIMED:,}", pushes[:, 0]),
        (f"a push after {PUSHED:,}", pushes[:, 1]),
        ("TokenCodec.stream()", starting),
    ]
    table.add("Stream, µs", [(name, middle(own), spread(own)) for name, own in rows])
    made = [(name, np.array(own)) for name, own in ready.items()]
    table.add("Made once, ms", [(name, middle(own), spread(own)) for name, own in made])
    return table


def page(about: str, turns: int, tables: list[Table], missed: str, faster: list[str]) -> str:
    """The page in docs/benchmarks; ``missed`` comes below the limits."""
    verdicts, speeds, guides, others = (table.markdown() for table in tables)
    losses = "\n".join(f"- {line}" for line in faster) or "Nothing that was measured here."
    what = f"""
        {about} Every call ran in {turns} turns. In each turn all of them come once, so what
        counts are the ratios, each the median over the turns; the microseconds come from two
        shared cores and are for orientation."""
    batch = f"""
        The batch is {COUNT:,} different masks, {COUNT * SHAPE[0] * SHAPE[1] // 10**6} MB: they come
        from memory, while the one mask above stays in the cache. The tokenizer's batch uses both
        cores, ours one, except in two threads."""
    steps = f"""
        A step is `options` and `step`, or `allowed` of all ids so far, over {turns} answers to
        different masks, with free text around. "99 %" is the median of the answers' quantiles, and
        "new" the largest step of one answer in a guide just made, the median of {NEW_GUIDES}
        guides: the first step in free text, and in a label, lists the tokens that may stand
        there."""
    return f"""\
# Token ids

```sh
{COMMAND}
```

{paragraph(what)}

Every result was checked first: "equal" means the tokenizer's own ids, or the text, label, box and
cells that were written. The tokenizers get ids in a list, their fastest, and ours an array.

Behind `tokenizer.decode`, three parsers: regular expressions as anybody would write them (`parse`
in `benchmarks/_idtasks.py`), NumPy (`benchmarks/vectorised.py`), and `BSD.decode`. The first two
check nothing; `BSD.decode` and `TokenCodec.decode` refuse whatever is not exact.

{paragraph(versions(PACKAGES))}

## What was asked for

{verdicts}

{missed}

Limits in microseconds are those of a quiet machine.

## Everything that was timed

{paragraph(batch)}

{speeds}

## Where others are faster

{losses}

## Guides

{paragraph(steps)}

{guides}

## Streams, and what is made once

{others}
"""


def main() -> int:
    """Time, print, and say whether the limits are kept."""
    parser = argparse.ArgumentParser(description=__doc__.replace("\n\n", "\n", 1))
    parser.add_argument("--repeats", type=int, default=30, help="turns (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks as well")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")

    setup, masks = make_setup(), animals(COUNT)
    text = setup.codec.encode(animal(), LABEL)
    about = (
        f"One mask, the animal of `bench_codec.py`: {SHAPE[0]} x {SHAPE[1]} pixels, "
        f"{len(BRICK.findall(text))} bricks at {GRID} x {GRID} cells, "
        f"{len(setup.tokens.encode(animal(), LABEL))} ids of Qwen's vocabulary with bricks."
    )
    print(paragraph(about))
    tasks = all_tasks(setup, masks)
    check(tasks)
    times = measure({task.key(c): c.run for task in tasks for c in task.calls}, options.repeats)
    for call in tasks[-1].calls:
        times[tasks[-1].key(call)] /= COUNT
    speeds, faster = speed_table(tasks, times)

    rrle = mc.RRLE(grid=GRID)
    some = masks[: options.repeats]
    ready: dict[str, list[float]] = {}

    def timed(name: str, make: Callable[[], Any]) -> Any:
        made, milliseconds = once(make)
        ready.setdefault(name, []).append(milliseconds)
        return made

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        total = options.repeats + 2 * len(WAYS) * (NEW_GUIDES + 1)
        bar = progress.add_task("streams and guides", total=total)

        def tick() -> None:
            progress.advance(bar)

        pushes = stream_times(setup, masks, options.repeats, tick)
        for _ in range(NEW_GUIDES):
            timed("TokenCodec, tokenizers", lambda: mc.TokenCodec(setup.codec, setup.bare))
            timed("TokenCodec, transformers", lambda: mc.TokenCodec(setup.codec, setup.wrapped))
        guides = {}
        for name, codec, settings in (
            ("B-SD", setup.codec, {}),
            ("R-RLE", rrle, {"labels": [LABEL]}),
        ):
            tokens = mc.TokenCodec(codec, setup.wrapped)
            make = partial(timed, f"{name} guide", partial(tokens.guide, **settings))
            guides[name] = guide_steps(make, answers_of(setup, tokens, some), tick)
    starting = measure({"": setup.tokens.stream}, options.repeats)[""]

    asked = claims(times, pushes, guides)
    tables = [
        claims_table(asked),
        speeds,
        guides_table(guides),
        others_table(pushes, starting, ready),
    ]
    for table in tables[1:] + tables[:1]:
        table.show()
    if options.write:
        write_page("bench_tokens", page(about, options.repeats, tables, misses(asked), faster))
    return 0 if all(claim.holds for claim in asked) else 1


if __name__ == "__main__":
    sys.exit(main())
