"""A page for each student or group: how to get in, what to do, what is theirs alone."""
