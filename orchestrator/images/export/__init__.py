"""Images as machines for other programs: a disk that boots by itself, and the appliance around it."""
