"""The bare process: this host itself, with no boundary but the user id.

With a foreign architecture its programs run under QEMU's user-mode emulator: another instruction
set, the same kernel, and still no boundary.
"""

from orchestrator.drivers.host_process import HostProcessDriver

DRIVER = HostProcessDriver("process", emulates=True)
