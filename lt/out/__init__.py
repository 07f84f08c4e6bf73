"""What leaves the project: answers for image files, and the networks as one module."""
