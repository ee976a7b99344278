"""Sentences that every format of a handout has."""

PRIVATE = "Keep this page to yourself: whoever has the link on it can work at your machines."
