"""What callers of Stream do next."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from bench.state_machine.chain_model import POISON
from bench.state_machine.draws import ALL_TURNS, FRAMES, LIMIT, MOST_STREAMS, TURNS, WHICH
from bench.state_machine.stream_caller import StreamCaller
from bench.state_machine.token_wishes import WISH, TokenWish
from bench.state_machine.world import World


class StreamSteps(World):
    """Streams are opened, chunks sent, repeated and misplaced, answers left unread."""

    @precondition(lambda self: len(self._streams) < MOST_STREAMS)
    @rule(every_frame=st.booleans(), seconds=LIMIT, wish=WISH, turns=TURNS)
    def open(self, every_frame: bool, seconds: float | None, wish: TokenWish, turns: int) -> None:
        """Open a stream."""
        self._names += 1
        self._streams.append(
            StreamCaller(self._replica, f"stream {self._names}", every_frame=every_frame, seconds=seconds, wish=wish)
        )
        self._step("open", turns)

    @precondition(lambda self: self._streams)
    @rule(which=WHICH, frames=FRAMES, turns=TURNS)
    def chunk(self, which: int, frames: list[float], turns: int) -> None:
        """Send the next chunk of a stream."""
        stream = self._stream(which)
        stream.chunk(stream.next_frame, frames)
        self._step("chunk", turns)

    @precondition(lambda self: self._streams)
    @rule(which=WHICH, chunks=st.lists(FRAMES, min_size=1, max_size=3))
    def converse(self, which: int, chunks: list[list[float]]) -> None:
        """Send chunks one after the other's answer."""
        stream = self._stream(which)
        for frames in chunks:
            stream.chunk(stream.next_frame, frames)
            self._finish_runs()
        self._step("converse", ALL_TURNS)

    @precondition(lambda self: any(stream.last for stream in self._streams))
    @rule(which=WHICH, turns=TURNS)
    def repeat(self, which: int, turns: int) -> None:
        """Send the last chunk again."""
        last = self._stream(which).last
        if last is not None:
            self._stream(which).chunk(last.first_frame, last.frames)
        self._step("repeat", turns)

    @precondition(lambda self: self._streams)
    @rule(which=WHICH, shift=st.integers(-3, 3), frames=FRAMES, turns=TURNS)
    def misplace(self, which: int, shift: int, frames: list[float], turns: int) -> None:
        """Send a chunk that leaves a gap, overlaps, or differs from the one that it repeats."""
        stream = self._stream(which)
        stream.chunk(max(0, stream.next_frame + shift), frames)
        self._step("misplace", turns)

    @precondition(lambda self: self._streams)
    @rule(which=WHICH, turns=TURNS)
    def poison(self, which: int, turns: int) -> None:
        """Send a chunk that makes its run fail."""
        stream = self._stream(which)
        stream.chunk(stream.next_frame, [1.0, POISON])
        self._step("poison", turns)

    @precondition(lambda self: self._streams)
    @rule(which=WHICH, turns=TURNS)
    def close(self, which: int, turns: int) -> None:
        """Complete a stream."""
        self._stream(which).close()
        self._step("close", turns)

    @precondition(lambda self: self._streams)
    @rule(which=WHICH, turns=TURNS)
    def cancel(self, which: int, turns: int) -> None:
        """Cancel a stream."""
        self._stream(which).call.cancel()
        self._step("cancel", turns)

    @precondition(lambda self: self._streams)
    @rule(which=WHICH, takes=st.booleans(), turns=TURNS)
    def read(self, which: int, takes: bool, turns: int) -> None:
        """Begin or cease to read the answers of a stream."""
        self._stream(which).call.take_answers(takes)
        self._step("read", turns)

    def _stream(self, which: int) -> StreamCaller:
        return self._streams[which % len(self._streams)]
