"""``pytio pci``: configuration space from sysfs or a dump, shown as text, JSON or hex, and compared."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pytio.cli import ExitCode
from pytio.errors import BackendUnavailableError, PciDecodeError
from pytio.ids import Bdf
from pytio.pci.codes import CONVENTIONAL_BYTES, EXTENDED_BYTES, HEADER_BYTES
from pytio.pci.compare import compare
from pytio.pci.dump import decode, function_json
from pytio.pci.lspci import DumpedFunction, format_dump, is_dump, parse_dump
from pytio.pci.plain import function_from_plain
from pytio.pci.text import function_text

__all__ = ("add_arguments", "read_dump", "read_sysfs", "run")

_UNNAMED: Final = Bdf(bus=0)
"""The address of a raw file's function, which nothing tells."""

_RAW_SIZES: Final = (HEADER_BYTES, CONVENTIONAL_BYTES, EXTENDED_BYTES)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    show = verbs.add_parser("show", help="decode configuration space")
    show.add_argument("bdf", metavar="BDF", nargs="*", type=Bdf.parse, help="such as 0000:e1:00.0; default: all")
    show.add_argument(
        "--dump",
        metavar="FILE",
        help="lspci -x, -xxx or -xxxx text, raw bytes, or what --json printed; - for stdin; default: this system",
    )
    show.add_argument("--root", metavar="DIR", default="/sys", help="where sysfs is; default /sys")
    show.add_argument("-v", "--verbose", action="store_true", help="every field, with its bytes")
    form = show.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object for each function")
    form.add_argument("--hex", action="store_true", help="hex, as lspci -xxxx prints it")
    show.set_defaults(action=_show)
    diff = verbs.add_parser("diff", help="compare by register and field; exit code 1 where something differs")
    for name in ("a", "b"):
        diff.add_argument(name, metavar=name.upper(), help="a dump, or the address of a function")
    diff.add_argument("--root", metavar="DIR", default="/sys", help="where sysfs is; default /sys")
    diff.add_argument("--json", action="store_true", help="one JSON object for each difference")
    diff.set_defaults(action=_diff)


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says, and return the exit code."""
    code: int = arguments.action(arguments)
    return code


def _show(arguments: argparse.Namespace) -> int:
    wanted = set(arguments.bdf)
    found = read_dump(arguments.dump) if arguments.dump else read_sysfs(Path(arguments.root), arguments.bdf)
    write = sys.stdout.write
    shown = 0
    for bdf, data in found:
        if wanted and bdf not in wanted:
            continue
        shown += 1
        if arguments.json:
            write(f'{{"function": "{bdf}", {function_json(data)[1:]}\n')
        elif arguments.hex:
            write(format_dump(bdf, data))
        else:
            write(function_text(bdf, decode(data), verbose=arguments.verbose))
    if wanted and not shown:
        print(f"pytio: no {', '.join(map(str, arguments.bdf))} in {arguments.dump or arguments.root}", file=sys.stderr)
        return ExitCode.REFUSED
    return ExitCode.DONE


def _diff(arguments: argparse.Namespace) -> int:
    left, right = (dict(_side(name, Path(arguments.root))) for name in (arguments.a, arguments.b))
    if len(left) == len(right) == 1:  # one against one, wherever they are
        right = dict(zip(left, right.values(), strict=True))
    differs = False
    for bdf in sorted({*left, *right}):
        if bdf not in left or bdf not in right:
            differs = True
            side = arguments.a if bdf in left else arguments.b
            print(json.dumps({"function": str(bdf), "only": side}) if arguments.json else f"{bdf} only in {side}")
            continue
        for difference in compare(decode(left[bdf]), decode(right[bdf])):
            differs = True
            plain = {
                "function": str(bdf),
                "structure": difference.structure,
                "offset": difference.offset,
                "field": difference.field,
                "left": difference.left,
                "right": difference.right,
            }
            print(json.dumps(plain) if arguments.json else f"{bdf} {difference}")
    return ExitCode.REFUSED if differs else ExitCode.DONE


def _side(name: str, root: Path) -> Iterator[DumpedFunction]:
    try:
        bdf = Bdf.parse(name)
    except ValueError:
        return read_dump(name)
    return read_sysfs(root, [bdf])


def read_dump(name: str) -> Iterator[DumpedFunction]:
    """Yield the functions of a dump: lspci's text, JSON of our own, or the bytes of one function.

    Raises:
        PciDecodeError: it is none of these.
    """
    raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    text = raw.decode("latin-1")  # whatever the names in it are
    if text.startswith("{"):
        return _from_json(text)
    if is_dump(text):
        return parse_dump(text)
    if len(raw) in _RAW_SIZES:
        return iter([DumpedFunction(_UNNAMED, raw)])
    sizes = ", ".join(map(str, _RAW_SIZES))
    raise PciDecodeError(
        f"{name} is neither lspci's text, nor JSON, nor {sizes} bytes of a function", raw[:HEADER_BYTES]
    )


def _from_json(text: str) -> Iterator[DumpedFunction]:
    for line in text.splitlines():
        try:
            plain = json.loads(line)
            bdf = Bdf.parse(plain["function"])
        except (ValueError, KeyError, TypeError) as error:
            raise PciDecodeError(f"a line is no JSON of a function: {error}") from error
        yield DumpedFunction(bdf, function_from_plain(plain).build())


def read_sysfs(root: Path, wanted: list[Bdf]) -> Iterator[DumpedFunction]:
    """Yield functions of a running system, or of a copy of its sysfs.

    Raises:
        BackendUnavailableError: there is no PCI in it, or no such function.
    """
    devices = root / "bus" / "pci" / "devices"
    if not devices.is_dir():
        raise BackendUnavailableError(str(root), "no bus/pci/devices here", "name the top of a sysfs with --root")
    for bdf in wanted or sorted(Bdf.parse(path.name) for path in devices.iterdir()):
        config = devices / str(bdf) / "config"
        if not config.exists():
            raise BackendUnavailableError(str(root), f"no function {bdf}", f"see {devices}")
        yield DumpedFunction(bdf, _read_config(config))


def _read_config(path: Path) -> bytes:
    """Read what there is in one go; without privilege that is 64 bytes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, EXTENDED_BYTES, 0)
    finally:
        os.close(descriptor)
