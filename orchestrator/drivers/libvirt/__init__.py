"""Virtual machines with libvirt, on this host or on another one."""
