"""Virtual machines with VirtualBox."""
