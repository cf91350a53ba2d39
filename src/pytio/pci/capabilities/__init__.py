"""The capabilities, one file for each family: what the registers of a capability are."""

__all__ = ()
