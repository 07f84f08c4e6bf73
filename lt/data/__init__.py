"""Images, long-tailed subsets, groups of classes, batches; no torch."""
