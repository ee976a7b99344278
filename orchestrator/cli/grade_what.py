"""grade: submissions of a lab, a class, or what --verify names, by what the paths are."""

from __future__ import annotations

from pathlib import Path

from orchestrator.classes.work.recognised import is_class, is_receipt
from orchestrator.cli.grade import Mode, Options, grade, require_together
from orchestrator.cli.output import check_format
from orchestrator.errors import Exit


def grade_what(mode: Mode, options: Options) -> Exit:
    """Do what the command line asks for. Raises SpecError for options that do not go together."""
    check_format(options.form)
    require_together(mode, options)
    if mode.verify and is_receipt(Path(mode.verify)):
        from orchestrator.cli.hand_in_receipt import verify_hand_in

        return verify_hand_in(Path(mode.verify), mode.key, options.form)
    if mode.lab and is_class(Path(mode.lab)) and not mode.submissions and not mode.self_test:
        from orchestrator.cli.grade_class import grade_class_file

        return grade_class_file(Path(mode.lab), options)
    return grade(mode, options)
