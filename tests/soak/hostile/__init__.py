"""Hostile peers by the hundred thousand: where a sequence begins, what is said in it, and how the victim is judged."""
