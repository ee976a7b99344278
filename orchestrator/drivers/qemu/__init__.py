"""Virtual and emulated machines by QEMU, booted or cloned from a snapshot."""
