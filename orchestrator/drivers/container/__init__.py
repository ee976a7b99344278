"""Containers with podman or docker."""
