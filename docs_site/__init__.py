"""What the site of ``docs/`` has beyond its pages: reference that is made from the code."""
