"""Grades out: CSV, feedback, the lecturer's page, and the files of learning platforms."""
