"""Benchmarks of isolab itself, and of its baselines."""
