"""Measurements of Armillary, of the simulator, and of what they are compared with."""
