"""Writes down calls as they happen: by interceptors of a client, or by a proxy before a service."""

from tallymark_load.recording.interceptors import recording_interceptors
from tallymark_load.recording.proxy import Proxy
from tallymark_load.recording.recorder import CallRecord, Recorder

__all__ = ["CallRecord", "Proxy", "Recorder", "recording_interceptors"]
