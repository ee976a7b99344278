"""Virtual machines by a libvirt daemon, on this host or on another one."""
