"""What attacks aim at: harmless things the controller plants outside the boundary, for one attack.

``kinds`` says what there is, ``garden`` plants and inspects; the other modules are one sort each.
"""
