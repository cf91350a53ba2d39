"""Operating-system resources that a test can shape, behind the real system calls."""
