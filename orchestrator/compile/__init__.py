"""Compile programs of exercises: a toolchain for each architecture, and how sources are built."""
