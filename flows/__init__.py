"""One file per flow, named verb_object."""
