"""What the command's verbs do: one module a verb, each with a function that returns an exit code.

Only here is anything printed to standard output.
"""
