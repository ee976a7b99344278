"""Programs that run on a host before isolab is there: each by itself, with nothing but the standard library
of Python 3.11; they travel over standard input."""
