"""One module a lesson: what judges the answers to its exercises."""
