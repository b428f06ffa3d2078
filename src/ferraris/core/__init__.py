"""Core: octets, errors, the layer contract and its combinators. Standard library only."""
