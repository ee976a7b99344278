"""What a hosts file says, checked: hosts, how ssh gets to each, and what isolab may use there."""
