"""A message, a listing or a diagnosis as text, for a person."""
