"""The in-process sandbox."""
