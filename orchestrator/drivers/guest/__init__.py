"""Shared by drivers whose machines are guests: layout, identity, cloud-init, a network switch."""
