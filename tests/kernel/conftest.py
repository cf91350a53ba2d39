"""What is in `guest` runs inside the kernel that `run` boots, and nowhere else."""

collect_ignore = ["guest"]
