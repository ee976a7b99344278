"""Machines that exist already: their addresses, their keys, what the user trusts."""
