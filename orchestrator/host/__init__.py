"""The controller's own machine: its processes, resources, cache, temporary folders and small databases."""
