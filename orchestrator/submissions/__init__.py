"""Submissions of a class: a folder or an archive in, who handed in what out."""
