"""Faults of link and meter, each by its name: what a client has to bear, on purpose."""
