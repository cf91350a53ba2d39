"""What runs inside the kernel."""
