"""Watching a running server: metrics, log lines and traces.

What the other parts count with is plain numbers and imports nothing of the server. Only
`metrics` knows Prometheus, only `tracing` knows OpenTelemetry.
"""
