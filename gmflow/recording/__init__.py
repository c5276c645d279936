"""Recordings: messages on disk, as they came.

`gmflow.recording.folder` holds mflow's layout, one file for each part. Reading and writing
block: callers do both off the hub.
"""
