"""Debian archives, verified from the signature of a release down to the files of a package."""
