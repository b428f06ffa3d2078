"""Fuzzing: whatever the octets, a decoder returns or raises `DecodeError`, soon."""
