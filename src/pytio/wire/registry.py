"""A table that other packages may add to: formats that vendors define inside the fields of a protocol.

An entry is made in code with ``register``, or by an installed package as an entry point, which is loaded when its key
is first asked for. A package that does not load is logged and counts as absent: what a stranger installed must not
keep anybody from decoding. This file knows no format and no key.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Generic, TypeAlias, TypeVar

from pytio.errors import DecodeError

__all__ = ("FormatRegistry", "Parser", "Registry")

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Parser: TypeAlias = Callable[[bytes], Any]
"""What makes an object out of the bytes of a vendor's field, such as ``SomeStruct.parse``."""


class Registry(Generic[K, V]):
    """What is known by key: given at the start, registered later, or offered by entry points.

    Args:
        group: name of the entry point group, such as ``pytio.opaque_data``.
        read_key: turns the name of an entry point into a key, and raises ``ValueError`` where it is none.
        known: what is known from the start.
    """

    def __init__(self, group: str, read_key: Callable[[str], K], known: Mapping[K, V] | None = None) -> None:
        self.group = group
        self._read_key = read_key
        self._known: dict[K, V] = dict(known or {})
        self._offered: dict[K, Any] | None = None

    def register(self, key: K, value: V) -> None:
        """Add an entry; a later one replaces an earlier one, and both go before entry points."""
        self._known[key] = value

    def get(self, key: K) -> V | None:
        """Return the entry of ``key``, None where nobody knows it."""
        found = self._known.get(key)
        return self._load(key) if found is None else found

    def _load(self, key: K) -> V | None:
        if self._offered is None:
            self._offered = self._discover()
        offered = self._offered.pop(key, None)
        if offered is None:
            return None
        try:
            loaded: V = offered.load()
        except Exception as error:  # noqa: BLE001  another package's import may raise anything
            self._warn("entry point %s of %s does not load: %s", offered.value, self.group, error)
            return None
        self._known[key] = loaded
        return loaded

    def _discover(self) -> dict[K, Any]:
        from importlib.metadata import entry_points  # noqa: PLC0415  costs more than a codec's import

        offered: dict[K, Any] = {}
        for entry in entry_points(group=self.group):
            try:
                offered.setdefault(self._read_key(entry.name), entry)
            except ValueError as error:
                self._warn("entry point %s of %s has no usable name: %s", entry.name, self.group, error)
        return offered

    @staticmethod
    def _warn(text: str, *facts: object) -> None:
        import logging  # noqa: PLC0415  only where something is wrong

        logging.getLogger(__name__).warning(text, *facts)


class FormatRegistry(Registry[K, Parser]):
    """A registry of parsers of vendors' formats.

    Args:
        group, read_key, known: as in `Registry`.
        errors: the ``DecodeError`` of the layer whose messages hold the formats.
    """

    def __init__(
        self,
        group: str,
        read_key: Callable[[str], K],
        errors: type[DecodeError],
        known: Mapping[K, Parser] | None = None,
    ) -> None:
        super().__init__(group, read_key, known)
        self._errors = errors

    def parse(self, key: K, data: bytes) -> Any:
        """Return ``data`` in the form that is known for ``key``; the bytes themselves where none is.

        Raises:
            DecodeError: the data lack that form; the layer's own where the parser raises anything else.
        """
        parser = self.get(key)
        if parser is None:
            return data
        try:
            return parser(data)
        except DecodeError:
            raise
        except Exception as error:
            raise self._errors(f"the parser for {key} fails: {error!r}", data) from error
