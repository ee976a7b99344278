"""Machines that stay: brought up, found again, entered, filled, taken down."""
