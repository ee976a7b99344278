"""Records of a run: kept, compared, and their differences attributed."""
