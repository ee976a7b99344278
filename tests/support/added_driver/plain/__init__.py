"""An added driver: programs of this host as whoever started isolab."""
