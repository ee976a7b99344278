"""Runs: run a lab job by job, and write the reports."""
