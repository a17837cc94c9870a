"""Pickles of anything: `read_pickle` gives plain data or a `SourceError`, and runs nothing."""

from __future__ import annotations

import copyreg
import io
import pickle
import pickletools
import re
import struct
import tracemalloc
from typing import TYPE_CHECKING, Any

from maskcodec.data._pickle import read_pickle
from maskcodec.errors import SourceError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

DEEPEST = 20
MEASURED = 0.03  # the share of cases whose memory is traced, which is slow
# An empty dict takes 64 bytes and its place in a list 8, for one of a pickle. Measured: up to 85.
MOST_PER_BYTE, MOST_BESIDES = 300, 1 << 18

ran: list[str] = []


def canary(*_: Any, **__: Any) -> list[Any]:
    """What code in a pickle would call."""
    ran.append("canary")
    return []


class Canary:
    """What code in a pickle would make."""

    def __new__(cls, *_: Any, **__: Any) -> Canary:
        ran.append("__new__")
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        ran.append("__setstate__")


_EXTENSIONS = {"canary": 0x77, "Canary": 0x1234}
for _name, _code in _EXTENSIONS.items():
    copyreg.add_extension(__name__, _name, _code)


def case(rng: random.Random, folder: Path) -> list[str]:
    """A pickle, and what became of it."""
    make, expected = rng.choice(MAKERS), None
    if make is plain:
        expected = value(rng)
        data = dumped(rng, expected)
    else:
        data = make(rng, folder)
        if make is not calling or rng.random() < 0.3:
            data = mutated(rng, data)
    ran.clear()
    if rng.random() < MEASURED:
        tracemalloc.start()
        try:
            found, refusal = read(data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        most = MOST_PER_BYTE * len(data) + MOST_BESIDES
        assert peak <= most, f"{len(data)} bytes took {peak:,} bytes of memory: {data!r:.500}"
    else:
        found, refusal = read(data)
    assert not ran, f"{ran} ran: {data!r:.500}"
    assert not list(folder.iterdir()), f"a file was made: {data!r:.500}"
    name = make.__name__
    if refusal:
        assert make is not plain, f"{refusal}: {data!r:.500}"
        return [f"refused: {reason(refusal)}"]
    check_plain(found)
    if make is plain:
        assert same(found, expected), f"{found!r:.200} is not {expected!r:.200}: {data!r:.500}"
        return [f"{name}: value"]
    own = Careful.read(data)
    if own is None:
        return [f"{name}: value, Python's reader has none"]
    assert same(found, own[0]), f"{found!r:.200} is not {own[0]!r:.200}: {data!r:.500}"
    return [f"{name}: value"]


def read(data: bytes) -> tuple[Any, str]:
    """The value and "", or None and the refusal."""
    try:
        return read_pickle(data, "x"), ""
    except SourceError as error:
        message = str(error)
        assert message.startswith("x: ")
        assert len(message) < 1000, f"the message has {len(message)} characters"
        return None, message.removeprefix("x: ")


def reason(refusal: str) -> str:
    """A refusal without what differs from case to case."""
    refusal = refusal.partition("; only plain data")[0].partition(" cannot be read: ")[0]
    refusal = re.sub(r" the key .* at byte", " the key ... at byte", refusal, flags=re.DOTALL)
    refusal = re.sub(r"b'.*'|b\".*\"", "...", refusal)
    refusal = re.sub(r"^[A-Z_0-9]{3,}|0x\w+|-?\d[\d.,]*", "N", refusal)
    return re.sub(r" (to|of) \w*(?= at|,)", r" \1 ...", refusal)[:50]


def check_plain(found: Any) -> None:
    """Plain data, at most 20 deep."""
    level = [found]
    for _ in range(DEEPEST + 1):
        inner = []
        for one in level:
            if type(one) is list:
                inner += one
            elif type(one) is dict:
                assert all(type(key) is str for key in one)
                inner += one.values()
            else:
                assert type(one) in {str, int, float, bool, type(None)}, type(one)
        level = inner
    assert not level, "it is too deep"


def same(one: Any, two: Any) -> bool:
    """Equal, of the same types, and in the same order; nan is nan."""
    if type(one) is not type(two):
        return False
    if type(one) is list:
        return len(one) == len(two) and all(map(same, one, two))
    if type(one) is dict:
        return list(one) == list(two) and all(map(same, one.values(), two.values()))
    return repr(one) == repr(two) if type(one) is float else one == two


class Careful(pickle._Unpickler):
    """Python's own reader, in Python, which is given nothing to call."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name}")

    def get_extension(self, code: int) -> None:
        raise pickle.UnpicklingError(str(code))

    @classmethod
    def read(cls, data: bytes) -> list[Any] | None:
        """What it makes of data that was accepted, as plain data; None if nothing."""
        try:
            return [plainly(cls(io.BytesIO(data), encoding="bytes").load())]
        except Exception:
            return None


def plainly(found: Any) -> Any:
    """Tuples as lists, and bytes as text."""
    if isinstance(found, (list, tuple)):
        return [plainly(one) for one in found]
    if isinstance(found, dict):
        pairs = [(plainly(key), plainly(one)) for key, one in found.items()]
        if len(dict(pairs)) < len(pairs):  # which of the two came last is not known
            raise ValueError("a key is there as text and as bytes")
        return dict(pairs)
    if isinstance(found, bytes):
        try:
            return found.decode()
        except UnicodeDecodeError:
            return found.decode("latin-1")
    return found


# ------------------------------------------------------------------------ plain data

TEXTS = ["", "a", "sent", "é", "犬", "\ud800", "\n", "\\", "'\"", "\0", "a" * 300, "\U0001f600"]
NUMBERS = [0, 1, -1, 255, 256, 65535, 65536, 2**31 - 1, -(2**31), 2**31, 2**63, -(2**200), 2**999]
FLOATS = [0.0, -0.0, 1.5, float("inf"), float("nan"), 5e-324, -1e308]


def leaf(rng: random.Random) -> Any:
    """A value without others in it."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.choice(FLOATS)
    if kind < 4:
        return rng.choice(NUMBERS) + rng.randrange(-1, 2)
    return text(rng)


def text(rng: random.Random) -> str:
    """Text, broken Unicode as well."""
    if rng.random() < 0.7:
        return rng.choice(TEXTS)
    return "".join(chr(rng.choice([39, 92, 10, 233, 0x72AC, 0xDC80])) for _ in range(3))


def value(rng: random.Random, deep: int = 0) -> Any:
    """Plain data; a few are as deep as is allowed."""
    kind = rng.random()
    if deep == 0 and kind < 0.05:
        found = leaf(rng)
        for _ in range(DEEPEST):
            found = [found] if rng.random() < 0.5 else {text(rng): found}
        return found
    if kind < 0.45 or deep == 5:
        return leaf(rng)
    size = rng.choice([0, 1, 2, 3, 3, 1200]) if deep < 2 and rng.random() < 0.1 else 3
    if kind < 0.75:
        return [value(rng, deep + 1 if size < 9 else 5) for _ in range(rng.randrange(size + 1))]
    return {text(rng): value(rng, deep + 1) for _ in range(rng.randrange(4))}


def dumped(rng: random.Random, found: Any) -> bytes:
    """A pickle of plain data as one of the Pythons writes it."""
    protocol = rng.randrange(-3, 6)
    if protocol < 0:
        return by_hand(found, rng) + b"."
    writer = pickle.dumps if rng.random() < 0.8 else pickle._dumps
    return writer(found, protocol)


def by_hand(found: Any, rng: random.Random) -> bytes:
    """The opcodes of a value, any of those that make it: as Python 2 wrote it, among others."""
    memo = rng.choice([b"", b"", b"p%d\n" % rng.randrange(99), b"q\x07", b"\x94", b"r\0\0\0\x80"])
    if isinstance(found, list):
        inner = [by_hand(one, rng) for one in found]
        return rng.choice(
            [
                b"(l" + memo + b"".join(one + b"a" for one in inner),
                b"](" + b"".join(inner) + b"e",
                b"(" + b"".join(inner) + b"l" + memo,
                b"(" + b"".join(inner) + b"t" + memo,
            ]
        )
    if isinstance(found, dict):
        pairs = [by_hand(key, rng) + by_hand(one, rng) for key, one in found.items()]
        return rng.choice(
            [
                b"}" + memo + b"".join(pair + b"s" for pair in pairs),
                b"}(" + b"".join(pairs) + b"u",
                b"(" + b"".join(pairs) + b"d" + memo,
            ]
        )
    if isinstance(found, str):
        utf8 = found.encode("utf-8", "surrogatepass")
        ways = [b"X" + struct.pack("<I", len(utf8)) + utf8]
        ways.append(b"\x8d" + struct.pack("<Q", len(utf8)) + utf8)
        if len(utf8) < 256:
            ways.append(b"\x8c" + bytes([len(utf8)]) + utf8)
        if found.isascii():  # else it may be read as another text
            ways.append(b"S" + repr(utf8)[1:].encode() + b"\n")
            ways += [sign + struct.pack("<I", len(utf8)) + utf8 for sign in (b"T", b"B")]
        return rng.choice(ways) + memo
    return pickle.dumps(found, rng.choice([0, 2]))[:-1].removeprefix(b"\x80\x02")


def plain(rng: random.Random, _: Path | None = None) -> bytes:
    """A pickle of plain data."""
    return dumped(rng, value(rng))


# ------------------------------------------------------------------------ hostile data


def number(rng: random.Random) -> int:
    """A length or a place in the memo, and what is far beyond any."""
    return rng.choice([0, 1, 2, 3, 7, 255, 256, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64])


def opcode(rng: random.Random) -> bytes:
    """Any opcode, with an argument that fits it or almost does."""
    found = rng.choice(pickletools.opcodes)
    code = found.code.encode("latin-1")
    kind = None if found.arg is None else found.arg.name
    few = rng.randrange(4)
    if kind is None:
        return code
    if kind in {"uint1", "uint2", "uint4", "uint8", "int4", "float8"}:
        size = int(kind[-1])
        return code + (number(rng) % 256**size if few else few).to_bytes(size, "little")
    if kind.endswith("_pair"):
        return code + b"tests.fuzz.pickles\ncanary\n"
    if "nl" in kind or found.arg.n == pickletools.UP_TO_NEWLINE:
        lines = [b"0", b"00", b"01", b"-1", b"7L", b"0x10", b"1e999", b"nan", b"'dog'", b"'\\", b""]
        lines += [b"\xff", b"1" * 4301, b"1_0", b" 1 ", b"\\ud800", b"'\\x4'", b"%d" % number(rng)]
        return code + rng.choice(lines) + b"\n"
    size = int(kind[-1])
    claimed = few if rng.random() < 0.7 else number(rng)
    return code + (claimed % 256**size).to_bytes(size, "little") + b"dog\xff"[:few]


def soup(rng: random.Random, _: Path | None = None) -> bytes:
    """Opcodes that keep a stack in order more often than not."""
    steps: list[bytes] = []
    for _ in range(rng.randrange(30)):
        kind = rng.random()
        if kind < 0.3:
            steps.append(by_hand(leaf(rng), rng))
        elif kind < 0.75:
            steps.append(rng.choice([*b"]}()alestdu20qhp\x94\x85\x86\x87N1"]).to_bytes())
            if steps[-1] in (b"q", b"h"):
                steps[-1] += bytes([rng.randrange(4)])
            elif steps[-1] == b"p":
                steps[-1] += b"%d\n" % rng.randrange(4)
        else:
            steps.append(opcode(rng))
    return b"".join(steps) + b"."


def callee(rng: random.Random, name: str, module: str = __name__) -> bytes:
    """Opcodes that put a callable on the stack."""
    one, two = module.encode(), name.encode()
    ways = [b"c" + one + b"\n" + two + b"\n"]
    strings = [b"\x8c" + bytes([len(part)]) + part for part in (one, two)]
    ways += [strings[0] + strings[1] + b"\x93", strings[0] + b"q\x05" + strings[1] + b"\x93"]
    # The name from the memo, behind what was thrown away.
    ways.append(strings[1] + b"q\x06" + b"0" + strings[0] + b"h\x06\x93")
    ways.append(b"V" + one + b"\nU" + bytes([len(two)]) + two + b"\x93")
    if module == __name__:
        code = _EXTENSIONS[name]
        ways += [b"\x83" + struct.pack("<H", code), b"\x84" + struct.pack("<I", code)]
        if code < 256:
            ways.append(b"\x82" + bytes([code]))
    return rng.choice(ways)


def calling(rng: random.Random, folder: Path) -> bytes:
    """Code that sets a flag or makes a folder, somewhere in plain data."""
    here = str(folder / "made").encode()
    path = b"X" + struct.pack("<I", len(here)) + here
    exec_ = b"from tests.fuzz import pickles; pickles.ran.append('exec')"
    text_ = b"X" + struct.pack("<I", len(exec_)) + exec_
    function, kind = callee(rng, "canary"), callee(rng, "Canary")
    make = rng.choice([callee(rng, "mkdir", "os"), callee(rng, "mkdir", "posix")])
    run = callee(rng, rng.choice(["exec", "eval"]), rng.choice(["builtins", "__builtin__"]))
    module = __name__.encode()
    code = rng.choice(
        [
            function + b")R",
            function + b"(tR",
            make + path + b"\x85R",
            run + text_ + b"\x85R",
            callee(rng, "print", "builtins") + b")R",
            kind + b")\x81",
            kind + b")}\x92",
            kind + b")\x81}b",
            kind + b")\x81N}\x86b",
            b"(" + kind + b"o",
            b"(" + function + path + b"o",
            b"(i" + module + b"\ncanary\n",
            b"(" + path + b"ios\nmkdir\n",
            b"Pcanary\n",
            path + b"Q",
            b"\x97\x98",
            function,
            # A method of the unpickler's own values, and of a class that it has at hand.
            callee(rng, "getattr", "builtins") + kind + b"\x8c\x04__new\x86R",
            b"}" + callee(rng, "canary") + b"b",
        ]
    )
    place = rng.randrange(8)
    if place == 0:
        return code + b"."
    if place == 1:
        return b"](" + code + b"e."
    if place == 2:
        return b"}\x8c\x01a" + code + b"s."
    if place == 3:
        return b"}" + code + b"\x8c\x01as."
    if place == 4:  # thrown away
        return code + b"0" + plain(rng)
    if place == 5:
        return b"(" + code + b"1" + plain(rng)
    if place == 6:
        return b"\x80\x04\x95" + struct.pack("<Q", len(code) + 1) + code + b"."
    return b"]q\x00" + code + b"q\x01h\x00h\x01a."


def bomb(rng: random.Random, _: Path | None = None) -> bytes:
    """What is small, and large or endless when it is unfolded."""
    size = rng.choice([3, 19, 20, 21, 22, 100, 1000, 5000])
    kind = rng.randrange(12)
    if kind == 0:  # lists of lists that are used many times
        data, levels = b"]q\x00", rng.randrange(2, 12)
        for level in range(levels):
            data += (
                b"](" + (b"h" + bytes([level])) * rng.randrange(1, 9) + b"eq" + bytes([level + 1])
            )
        return b"(" + data + b"l." if rng.random() < 0.5 else data + b"."
    if kind == 1:
        return b"]" * size + b"a" * (size - rng.randrange(2)) + b"."
    if kind == 2:
        return b"(" * size + rng.choice([b"l", b"t", b"d", b"1"]) * size + b"."
    if kind == 3:
        return b"N" + b"\x85" * size + b"."
    if kind == 4:
        own, closing = rng.choice(
            [(b"]q\x00", b"a"), (b"}q\x00\x8c\x01a", b"s"), (b"]q\x00", b"a")]
        )
        return own + b"h\x00" + closing + b"." + b" " * rng.choice([0, size])
    if kind == 5:
        return b"N" + b"".join(b"r" + struct.pack("<I", 2**32 - 1 - k) for k in range(size)) + b"."
    if kind == 6:
        sign = rng.choice([b"T", b"X", b"B", b"\x8b", b"\x8d", b"\x8e", b"\x96", b"\x95"])
        return sign + rng.choice([b"\xff", b"\x7f", b"\x00"]) * 7 + b"\x00dog."
    if kind == 7:
        return rng.choice([b"I", b"L", b"F"]) + b"7" * (size * 20) + b"\n."
    if kind == 8:
        return b"(" + b"}\x94" * size + rng.choice([b"l", b"t"]) + b"."
    if kind == 9:
        return b"N" + b"2" * size + b"\x86" * size + b"."
    if kind == 10:
        return b"(" * size + b"."
    return b"(" + rng.choice([b"]", b"}", b")", b"(l", b"K\x00"]) * size + b"l."


def nearly(rng: random.Random, _: Path | None = None) -> bytes:
    """Plain data, broken in a few places."""
    return mutated(rng, mutated(rng, plain(rng)))


def mutated(rng: random.Random, data: bytes) -> bytes:
    """A few changes, of bytes or of whole opcodes."""
    for _ in range(rng.choice([0, 1, 1, 1, 2, 4])):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice([0, 1, 1, 2, 4, 8]))
        kind = rng.randrange(8)
        if kind == 0:
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + data[end:]
        elif kind == 2:
            data = data[:at]
        elif kind == 3:
            data = data[:end] + data[at:end] * rng.choice([1, 2, 50]) + data[end:]
        elif kind == 4:
            size = rng.choice([1, 2, 4, 8])
            data = (
                data[:at] + (number(rng) % 256**size).to_bytes(size, "little") + data[at + size :]
            )
        else:
            data = by_opcodes(rng, data)
    return data


def by_opcodes(rng: random.Random, data: bytes) -> bytes:
    """An opcode put in, left out, put twice, or exchanged for another one."""
    try:
        starts = [at for _, _, at in pickletools.genops(data)]
    except Exception:  # from where it is broken there are none
        starts = []
    starts = starts or [0]
    k = rng.randrange(len(starts))
    at, end = starts[k], ([*starts, len(data)])[k + 1]
    new = opcode(rng) if rng.random() < 0.5 else soup(rng)[:-1]
    return rng.choice(
        [
            data[:at] + new + data[at:],
            data[:at] + data[end:],
            data[:end] + data[at:end] + data[end:],
            data[:at] + new + data[end:],
            data[:end] + b"." + data[end:],
        ]
    )


def noise(rng: random.Random, _: Path | None = None) -> bytes:
    """Any bytes."""
    return rng.randbytes(rng.randrange(40)) + b"."


MAKERS: list[Callable[..., bytes]] = [plain, nearly, nearly, soup, soup, calling, bomb, noise]
