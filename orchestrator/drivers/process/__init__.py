"""The bare process."""
