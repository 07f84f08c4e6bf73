"""Training: the contract of a method, and the loop that fulfils it. README.md is a map."""
