"""Name constraints (RFC 5280, 4.2.1.10): which names a CA lets the certificates below it have.

This file knows how a name lies within another. The library's own path verifier knows no constraints on directory names,
which are the ones that device certificates have. It knows no chain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ("violation",)


def violation(constraints: x509.NameConstraints, names: Sequence[x509.GeneralName]) -> str | None:
    """Say which of the names the constraints forbid, and why, or return None if they forbid none.

    A name of a kind whose containment is not known here counts as forbidden, where there is a constraint on that kind.
    """
    for name in names:
        permitted = _of_kind(constraints.permitted_subtrees, name)
        excluded = _of_kind(constraints.excluded_subtrees, name)
        if (permitted or excluded) and type(name) not in _WITHIN:
            return f"{_text(name)}: constraints on this kind of name are not understood"
        if permitted and not any(_is_within(name, base) for base in permitted):
            return f"{_text(name)} is not permitted"
        if any(_is_within(name, base) for base in excluded):
            return f"{_text(name)} is excluded"
    return None


def _of_kind(subtrees: Sequence[x509.GeneralName] | None, name: x509.GeneralName) -> list[x509.GeneralName]:
    return [base for base in subtrees or () if type(base) is type(name)]


def _is_within(name: x509.GeneralName, base: x509.GeneralName) -> bool:
    return _WITHIN[type(name)](name, base)


def _directory_within(name: x509.GeneralName, base: x509.GeneralName) -> bool:
    """Whether the first relative names are those of the base; case and runs of spaces do not matter (7.1)."""
    relatives, base_relatives = _relatives(name.value), _relatives(base.value)
    return relatives[: len(base_relatives)] == base_relatives


def _relatives(name: x509.Name) -> list[frozenset[tuple[str, object]]]:
    return [frozenset((part.oid.dotted_string, _folded(part.value)) for part in relative) for relative in name.rdns]


def _folded(value: str | bytes) -> object:
    return " ".join(value.casefold().split()) if isinstance(value, str) else value


def _dns_within(name: x509.GeneralName, base: x509.GeneralName) -> bool:
    """Whether labels can be added on the left of the base to make the name."""
    host, domain = name.value.casefold(), base.value.casefold()
    return not domain or host == domain or host.endswith(f".{domain.removeprefix('.')}")


def _address_within(name: x509.GeneralName, base: x509.GeneralName) -> bool:
    return name.value in base.value


_WITHIN: Final[Mapping[type[x509.GeneralName], Callable[[x509.GeneralName, x509.GeneralName], bool]]] = {
    x509.DirectoryName: _directory_within,
    x509.DNSName: _dns_within,
    x509.IPAddress: _address_within,
}


def _text(name: x509.GeneralName) -> str:
    value = name.value
    return f"{type(name).__name__} {value.rfc4514_string() if isinstance(value, x509.Name) else value}"
