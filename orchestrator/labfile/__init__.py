"""Turns a lab's folder into a checked Lab: files, models, all mistakes at once, and the plan."""
