"""Grades out: CSV, feedback, the lecturer's page, and the files of learning platforms."""

from __future__ import annotations

from orchestrator.gradebook.write import Exports, Page, Written, check, write

__all__ = ["Exports", "Page", "Written", "check", "write"]
