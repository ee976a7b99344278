"""Virtual and emulated machines with QEMU, booted or cloned from a snapshot."""
