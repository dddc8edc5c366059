"""What a run measured, while it runs and afterwards."""

from tallymark_load.results.live_view import LiveView
from tallymark_load.results.measurements import Measurements, Sample
from tallymark_load.results.stop_when import InvalidCondition, Stop, StopWhen

__all__ = ["InvalidCondition", "LiveView", "Measurements", "Sample", "Stop", "StopWhen"]
