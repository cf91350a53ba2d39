"""Tests of the PSP."""
