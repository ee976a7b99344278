"""From a lab's folder to a checked Lab: files, models, every mistake at once, and the plan."""
