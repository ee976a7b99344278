"""Private networks between the machines of a lab: what stands where, who waits for whom."""
