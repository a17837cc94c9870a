"""What holding answers to valid masks costs a server: grammars a token, processors a step.

Random answers are walked with a real vocabulary: the guide says what may come, and the engine
fills its mask of the vocabulary for each token and takes the token. Then 16 answers are replayed
at once through maskcodec's processor, as vLLM and SGLang call it: the guides say what may come,
and the rest of each row of scores is blanked.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.formats.engines import ENGINES, chosen

import maskcodec as mc
from _common import Table, middle, number, paragraph, versions, write_page
from _vocabularies import load_tokenizer
from bench_constraint import BATCH, COLUMNS, answers
from maskcodec.serve.processors import Walk, hold

if TYPE_CHECKING:
    import numpy.typing as npt

    Times = npt.NDArray[np.float64]

PACKAGES = "maskcodec", "xgrammar", "llguidance", "torch", "numpy"
COMMAND = "python benchmarks/bench_serving.py"
END = "<|im_end|>"
CODECS = {"scanlines": mc.Scanlines(), "b-sd": mc.BSD()}
HELD = ("scanlines", "xgrammar"), ("scanlines", "llguidance"), ("b-sd", "llguidance")


def seconds(call: Any, *given: Any, **named: Any) -> tuple[float, Any]:
    """The processor time of a call in its thread, and its result."""
    began = time.thread_time()
    found = call(*given, **named)
    return time.thread_time() - began, found


def filler(matcher: Any) -> Any:
    """The engine's own call that fills a mask of the vocabulary, and nothing else."""
    if hasattr(matcher, "numpy"):
        return lambda: matcher.numpy.fill_next_token_bitmask(matcher.matcher, matcher.bits)
    return lambda: matcher.matcher.fill_next_token_bitmask(matcher.bits)


def grammar_row(tokens: mc.TokenCodec, dialect: str, end: int, count: int) -> list[str]:
    """Size, time to write and to compile, and microseconds a token."""
    writing, text = seconds(tokens.grammar, dialect=dialect)
    engine = ENGINES[dialect](tokens.tokenizer.get_vocab(), [end])
    compiling, compiled = seconds(engine.compiled, text)
    guide, rng = tokens.guide(ends=end), np.random.default_rng(0)
    closing = [tokens.words[tag] for tag in tokens.codec.tags()] + [end]
    times = []
    for _ in range(count):
        matcher, state, ids = engine.matcher(compiled), guide.start(), []
        fill = filler(matcher)
        while not ids or ids[-1] != end:
            spent, _ = seconds(fill)
            ids.append(chosen(guide.options(state), rng, closing, len(ids)))
            taken, _ = seconds(matcher.accepts, ids[-1])
            times.append((spent + taken) * 1e6)
            state = guide.step(state, ids[-1])
    every = np.array(times)
    figures = f"{len(text) / 1e3:.0f} kB", f"{writing:.2f}", f"{compiling:.2f}"
    return [*figures, middle(every), number(float(np.quantile(every, 0.99)))]


def all_options(walks: list[Walk], new: list[list[int]]) -> dict[int, Any]:
    """What may come in each row."""
    return {row: walk.options(ids) for row, (walk, ids) in enumerate(zip(walks, new, strict=True))}


def steps(tokens: mc.TokenCodec, repeats: int) -> tuple[Times, Times]:
    """Microseconds of each step of 16 answers: of their guides, and of blanking their scores."""
    guide = tokens.guide()
    ids, _ = answers(tokens)
    scores = torch.randn(BATCH, COLUMNS, generator=torch.Generator().manual_seed(0))
    guides, blanks = [], []
    for _ in range(repeats):
        walks = [Walk(guide) for _ in range(BATCH)]
        for step in range(len(ids)):
            new = ids[step - 1 : step].T.tolist() if step else [[]] * BATCH
            spent, options = seconds(all_options, walks, new)
            guides.append(spent * 1e6)
            blanks.append(seconds(hold, scores.clone(), options)[0] * 1e6)
    return np.array(guides), np.array(blanks)


def main() -> int:
    """Measure, print, and write the section if that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--answers", type=int, default=200, help="(default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = load_tokenizer("qwen")
    for codec in CODECS.values():
        mc.extend_tokenizer(codec, tokenizer)
    end = tokenizer.token_to_id(END)
    bound = {name: mc.TokenCodec(codec, tokenizer) for name, codec in CODECS.items()}
    grammars = Table(["grammar", "size", "write, s", "compile, s", "µs a token", "99 %"])
    found = [
        (f"{name}, {dialect}", *grammar_row(bound[name], dialect, end, options.answers))
        for name, dialect in HELD
    ]
    grammars.add("", found)
    grammars.show()
    processors = Table([f"processor, {BATCH} answers at once", "µs a step", "99 %"])
    for name, tokens in bound.items():
        guides, blanks = steps(tokens, options.repeats)
        parts = {"guides": guides, "blanking": blanks, "together": guides + blanks}
        rows = [
            (part, middle(times), number(float(np.quantile(times, 0.99))))
            for part, times in parts.items()
        ]
        processors.add(name, rows)
    processors.show()
    if options.write:
        about = paragraph(
            f"""The Qwen vocabulary; whole answers with free text and any label, {options.answers}
            random ones for grammars. Processors: two masks an answer, {COLUMNS:,} columns of
            float32 on the CPU. B-SD on 64 x 64 cells. Time of one thread on {os.cpu_count()}
            shared cores."""
        )
        parts = ["# Grammars and processors", f"```sh\n{COMMAND}\n```", about]
        parts += [versions(PACKAGES), grammars.markdown(), processors.markdown()]
        write_page("bench_serving", "\n\n".join(parts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
