"""Recorded messages before they are sent again: selected, edited, faults injected, listed."""
