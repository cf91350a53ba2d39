"""Lies of either role, one function each, by what they are about; `tests.spdm.lies.telling` says how they are told."""
