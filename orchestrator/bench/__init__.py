"""Measurements of isolab itself, and of what it is compared with."""
