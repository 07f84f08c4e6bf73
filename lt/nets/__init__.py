"""Networks and losses: torch modules that know of no params and no method."""
