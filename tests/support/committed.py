"""What a guest has written to its home disk, in the file of the disk without anybody's asking for it."""

from __future__ import annotations

COMMITTED = """\
commits() { read -r count rest </proc/fs/jbd2/vda-8/info && echo "$count"; }
for turn in one two; do
    before=$(commits)
    touch ~student/.committed
    until [ "$(commits)" -gt "$before" ]; do sleep 0.1; done
done
rm ~student/.committed
"""
"""A shell script for the guest that ends when what was written before it is in a transaction of the file
system's journal that is over (docs/adr/0033); with that its data are. The first that ends meanwhile may be
one that was being written already. How long a guest takes for that, a busy host decides."""
