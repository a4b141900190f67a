"""Talking to Ptolemy: one transport, and a client that is tolerant where the contract is unsure."""
