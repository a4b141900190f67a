"""A strict simulated Ptolemy: workspaces in memory behind the documented HTTP interface."""
