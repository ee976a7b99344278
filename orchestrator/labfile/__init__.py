"""From a lab's name or folder to a checked lab, and back to files that people can edit."""
