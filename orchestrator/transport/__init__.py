"""Ways to run commands and move files in a machine: SSH, programs of this host, the runner behind both."""
