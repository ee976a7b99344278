"""Exercises on a connected machine: pushed, run, and judged on the controller."""
