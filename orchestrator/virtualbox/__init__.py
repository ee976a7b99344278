"""VirtualBox: its command, one machine of it, and hosts that page slowly."""
