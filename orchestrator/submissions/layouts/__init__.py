"""The forms in which learning platforms hand out submissions, each recognised by its shape."""
