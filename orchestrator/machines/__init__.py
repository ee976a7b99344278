"""Machines on this host: provisioned, journalled, networked, taken down."""
