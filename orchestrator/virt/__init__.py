"""What the libvirt driver is made of: addresses of daemons, connections, domains, volumes, channels.

Nothing here imports libvirt-python before it is used: it is an extra, and needs a library of the
host.
"""
