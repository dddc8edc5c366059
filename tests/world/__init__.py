"""A whole Tallymark in this process: real server, real institution, real gRPC, on free ports, with a clock that tests move."""
