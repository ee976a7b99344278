"""Benchmark of a cluster: what it costs, and what it survives.

``stage`` (what all of it needs), ``labs`` (what is run), ``figures`` (time and processors), ``faults`` (what
is done to whom, and when), ``hit`` (does it), ``watch`` (a run while it runs), ``rounds`` (runs with faults),
``ends`` (of a run's command), ``verdict`` (what was lost, doubled or left), ``on_host`` (the part on each
host), ``rows`` (all of it).
"""
