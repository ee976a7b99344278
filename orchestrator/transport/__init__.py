"""Run commands and transfer files in a machine: SSH, programs on this host, the runner behind both."""
