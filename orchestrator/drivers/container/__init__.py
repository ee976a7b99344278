"""Containers by podman or docker."""
