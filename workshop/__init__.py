"""What the notebooks import: everything that a lesson needs and does not teach."""
