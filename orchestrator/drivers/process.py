"""The bare process: this host itself, no boundary but its user.

With a foreign architecture its programs run under QEMU's user-mode emulator: another instruction
set, the same kernel, and still no boundary.
"""

from orchestrator.onhost import OnHost

DRIVER = OnHost("process", emulates=True)
