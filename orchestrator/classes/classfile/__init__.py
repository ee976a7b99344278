"""What a class file says, checked: its machines, times, addresses, labs and the seats of its roster."""
