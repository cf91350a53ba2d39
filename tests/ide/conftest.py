"""The providers of IDE's cryptography, one after the other."""

from __future__ import annotations

import pytest

from pytio.ide import unit_keys
from pytio.ide.unit_keys import PROVIDERS, Provider


@pytest.fixture(params=list(PROVIDERS))
def on_provider(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """Run a test on each provider that is there, whatever the environment selects."""
    chosen = next(each for each in unit_keys.providers() if each.name == request.param)
    if not chosen.is_available:
        pytest.skip(f"{chosen.name} is not available: {chosen.reason}")
    monkeypatch.setattr(unit_keys, "provider", lambda: chosen)
    return chosen
