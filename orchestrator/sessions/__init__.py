"""Sessions of running machines: up, lookup, exec, file transfer, down."""
