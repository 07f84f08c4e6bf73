"""What networks say of images, combined and judged; only `predict` imports torch."""
