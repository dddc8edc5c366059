"""What answers teach a replay: which recorded values they stand for, and which waits are over."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from google.protobuf.message import Message

from tallymark_load.replay.contracts import parsed
from tallymark_load.replay.correlation import Correlation
from tallymark_load.replay.plan import PlannedCall
from tallymark_load.replay.played import Played
from tallymark_load.replay.resuming import Resuming
from tallymark_load.replay.signing import Signing
from tallymark_load.replay.streams import StreamAnswers, items_of, key_of

__all__ = ["Hearing"]


class Hearing:
    """Finds the recorded answer of each that comes, and hands both on to who learns from them."""

    def __init__(
        self,
        pairing: Mapping[PlannedCall, StreamAnswers],
        *,
        correlation: Correlation,
        signing: Signing,
        resuming: Resuming,
    ) -> None:
        """Take the recorded answers of streams that have a rule, and who learns."""
        self._pairing = pairing
        self._correlation = correlation
        self._signing = signing
        self._resuming = resuming
        self._streams_of: defaultdict[tuple[str, str], list[PlannedCall]] = defaultdict(list)
        for call in pairing:
            self._streams_of[call.caller, call.recorded.method].append(call)

    def hear(self, played: Played, body: bytes, *, asked: bytes) -> None:
        """Learn from the answer that a call got last; `asked` is the request of a unary call."""
        call = played.planned
        answer = parsed(call.method.response, body)
        if answer is None:
            return
        self._resuming.saw(call, answer)
        if call in self._pairing:
            self._hear_stream(played, answer)
            return
        index = len(played.bodies) - 1
        recorded = call.received[index] if index < len(call.received) else None
        if recorded is None:
            return
        self._take(call, recorded, answer)
        if call.method.is_unary:
            request = parsed(call.method.request, asked)
            self._signing.signed_in(call.caller, request, recorded, answer)

    def _hear_stream(self, played: Played, answer: Message) -> None:
        call = played.planned
        assert call.rule is not None
        for item in items_of(answer, call.rule.items):
            played.answered.add(key_of(item, call.rule.key))
        if self._take_shown(call, answer, guesses=True):
            return
        for stream in self._later_streams(call):
            if self._take_shown(stream, answer, guesses=False):
                return

    def _later_streams(self, call: PlannedCall) -> Iterator[PlannedCall]:
        """Yield the caller's streams on which an answer may have come in the recording.

        A caller that opens stream after stream hears a thing on one or on the next.
        """
        assert call.rule is not None
        if not call.rule.asked:
            for other in self._streams_of[call.caller, call.rule.method]:
                if other.number > call.number:
                    yield other

    def _take_shown(self, call: PlannedCall, answer: Message, *, guesses: bool) -> bool:
        """Pair an answer with those recorded on a stream; say whether it was there."""
        pairs = list(self._pairing[call].pair(answer, guesses=guesses))
        for recorded, replayed, places in pairs:
            self._take(call, recorded, replayed)
            for place in places:
                if place in call.shown:
                    call.shown[place].settled.set()
        return bool(pairs)

    def _take(self, call: PlannedCall, recorded: Message, replayed: Message) -> None:
        self._correlation.learn(recorded, replayed)
        self._signing.saw(call.caller, recorded, replayed)
