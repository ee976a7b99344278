"""Exercises: pushed to a connected machine, run there, and judged on the controller."""
