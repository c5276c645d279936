"""The version of gmflow: the one place where it stands.

setup.py and the conda recipe read it as text, so it stays one plain assignment.
"""

__version__ = "0.6.0"
