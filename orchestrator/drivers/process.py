"""The bare process: this host itself, no boundary but its user."""

from orchestrator.onhost import OnHost

DRIVER = OnHost("process")
