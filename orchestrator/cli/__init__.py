"""The command's verbs: one module per verb, each with a function that returns an exit code.

Nothing else prints to standard output.
"""
