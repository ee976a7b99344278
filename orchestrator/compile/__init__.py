"""Programs of exercises: the tool chain of an architecture, and what it makes of sources."""
