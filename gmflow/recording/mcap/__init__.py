"""Recordings in one file with an index: MCAP, each message a CBOR array of its parts."""
