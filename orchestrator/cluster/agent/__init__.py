"""The agent: what owns the guests of a host, their leases and the host's journal, and signs their records."""
