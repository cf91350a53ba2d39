"""SPDM messages: one file for each exchange, request and response together."""
