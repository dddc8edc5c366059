"""A whole Tallymark in this process, with a clock that tests move.

Server, institution and gRPC are the real ones, on free ports.
"""
