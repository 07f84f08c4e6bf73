"""One file per method; `lt.plan` holds the contract, `lt.registry` finds the files."""
