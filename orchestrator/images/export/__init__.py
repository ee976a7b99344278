"""Export images as machines for other hypervisors: a bootable disk, and the appliance around it."""
