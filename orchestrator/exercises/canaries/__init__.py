"""Canaries: harmless targets the controller plants outside the boundary, for one attack.

``orchestrator.labfile.canary_kinds`` lists the kinds, ``manager`` plants and inspects them; the
other modules implement one group of kinds each.
"""
