"""What networks say of images, combined and judged; no torch but in `predict`."""
