"""Recordings as mflow has them: a folder with a file for each part, and times beside them."""
