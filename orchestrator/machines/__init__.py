"""Machines as this host knows them: provisioned, journalled, joined by networks, taken down."""
