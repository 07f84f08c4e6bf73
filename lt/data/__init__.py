"""Images, long-tailed subsets, groups of classes and batches; nothing here imports torch."""
