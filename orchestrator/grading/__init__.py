"""Grading: a class's submissions in, a grade for each student and exercise out, on disk as they fall."""
