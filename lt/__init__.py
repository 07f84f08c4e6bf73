"""Long-tailed image classification: the package that every stage calls into."""
