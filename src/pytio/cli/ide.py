"""``pytio ide``: what is worth knowing about IDE keys at a prompt."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from pytio.cli import ExitCode
from pytio.cli.hextext import parse_hex_text
from pytio.ide import iv_of
from pytio.idekm import KeyProg, aes_key_from_registers, aes_key_from_wire, aes_key_to_registers
from pytio.ids import Direction, KeySlot, SubStream

__all__ = ("FORMS", "KeyForms", "add_arguments", "run")

_DW_BYTES: Final = 4


@attrs.frozen
class KeyForms:
    """One key in every order that somebody writes it in."""

    key_prog: KeyProg

    @property
    def registers(self) -> tuple[int, ...]:
        """Values of a root port's key slot registers, Key_DW0 first."""
        return aes_key_to_registers(self.key_prog.aes_key)

    def to_dict(self) -> dict[str, object]:
        """Return all forms as plain data."""
        key_prog, words = self.key_prog, [*enumerate(self.registers)]
        return {
            "specification": {f"Key_DW{number}": f"{word:08x}" for number, word in reversed(words)},
            "key_prog": key_prog.build().hex(),
            "key_prog_key": key_prog.key.hex(),
            "registers": {f"Key_Slot_DW{number}": f"{word:08x}" for number, word in words}
            | {"IFV_DW0": f"{key_prog.ifv.low:08x}", "IFV_DW1": f"{key_prog.ifv.high:08x}"},
            "aes_key": key_prog.aes_key.hex(),
            "first_iv": iv_of(key_prog.slot.sub_stream, key_prog.ifv.value).hex(),
        }

    def lines(self) -> list[str]:
        """Return all forms as text."""
        said, words = self.to_dict(), [f"{word:08x}" for word in self.registers]
        key_prog = self.key_prog
        return [
            "Specification: Key_DW7 to Key_DW0, each with its most significant digit first",
            f"  {' '.join(reversed(words))}",
            "AES key: byte 0 is the most significant byte of Key_DW7",
            f"  {key_prog.aes_key.hex(' ', _DW_BYTES)}",
            f"KEY_PROG, key field: Key_DW7 first, each dword least significant byte first; {key_prog.slot}",
            f"  {key_prog.key.hex(' ', _DW_BYTES)}",
            f"KEY_PROG, whole object for stream {key_prog.stream_id:#04x}, port {key_prog.port_index}",
            f"  {key_prog.build().hex(' ')}",
            "Port registers: Key_Slot_DW0 is Key_DW0, the last dword on the wire",
            *(f"  Key_Slot_DW{number}  {word}" for number, word in enumerate(words)),
            f"  IFV_DW0       {key_prog.ifv.low:08x}",
            f"  IFV_DW1       {key_prog.ifv.high:08x}",
            "IV of the first unit",
            f"  {said['first_iv']}",
        ]


def _words(raw: bytes) -> bytes:
    """Read eight register values, Key_DW0 first, each written with its most significant digit first."""
    values = [int.from_bytes(raw[at : at + _DW_BYTES], "big") for at in range(0, len(raw), _DW_BYTES)]
    return aes_key_from_registers(values)


FORMS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "aes": bytes,
    "wire": aes_key_from_wire,
    "registers": _words,
}
"""How a key may be given, and what makes an AES key of it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    commands = parser.add_subparsers(dest="ide_command", metavar="WHAT", required=True)
    explain = commands.add_parser("explain-key", help="show one key in every byte order", description=__doc__)
    explain.add_argument("key", metavar="HEX", nargs="*", help="the key, 32 bytes; from stdin if it is left out, or -")
    explain.add_argument(
        "--form",
        choices=FORMS,
        default="aes",
        help="what HEX is: an AES key, KEY_PROG's key field, or Key_Slot_DW0 to DW7; AES if not said",
    )
    explain.add_argument(
        "--slot", metavar="K0/RX/PR", type=_slot, default="K0/RX/PR", help="key set/direction/sub-stream"
    )
    explain.add_argument("--stream", metavar="N", type=_number(8), default=0, help="Stream ID")
    explain.add_argument("--port", metavar="N", type=_number(8), default=0, help="port index")
    explain.add_argument("--ifv", metavar="N", type=_number(64), default=1, help="initial invocation field")
    explain.add_argument("--json", action="store_true", help="one JSON object")


def _number(bits: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text, 0)
        if not 0 <= value < 1 << bits:
            raise argparse.ArgumentTypeError(f"{text} does not fit in {bits} bits")
        return value

    return number


def _slot(text: str) -> KeySlot:
    key_set, _, rest = text.upper().partition("/")
    direction, _, sub_stream = rest.partition("/")
    if key_set not in ("K0", "K1") or direction not in Direction.__members__ or sub_stream not in SubStream.__members__:
        raise argparse.ArgumentTypeError(f"{text!r} is no slot like K0/RX/PR")
    return KeySlot(key_set=int(key_set[1]), direction=Direction[direction], sub_stream=SubStream[sub_stream])


def run(arguments: argparse.Namespace) -> int:
    """Explain, print, and return the exit code."""
    text = " ".join(arguments.key)
    try:
        aes_key = FORMS[arguments.form](parse_hex_text(sys.stdin.read() if text in ("", "-") else text))
        key_prog = KeyProg.of(
            stream_id=arguments.stream,
            slot=arguments.slot,
            aes_key=aes_key,
            port_index=arguments.port,
            ifv=arguments.ifv,
        )
    except ValueError:  # whose text might show the key
        print("pytio ide: a key is 32 bytes, in hex", file=sys.stderr)
        return ExitCode.USAGE
    forms = KeyForms(key_prog)
    print(json.dumps(forms.to_dict()) if arguments.json else "\n".join(forms.lines()))
    return ExitCode.DONE
