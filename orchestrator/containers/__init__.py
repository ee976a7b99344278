"""What the container driver knows of engines: which there is, its images, the limits it keeps."""
