"""Virtual machines by VirtualBox."""
