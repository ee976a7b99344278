"""Students' work: what they start from, what is collected, checked, handed in and graded."""
