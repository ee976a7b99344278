"""Scripts that the forced command of every key runs, as the gateway's user.

Each runs by itself, copied to where that user sees it, by the system's Python.
"""
