"""Records of a run: stored, compared, and their differences attributed."""
