"""DECTRIS's stream v2 through sockets: received, decoded in threads, and forwarded."""

from dataclasses import replace

import numpy as np
import pytest
import zmq

import gmflow
from gmflow.handlers import stream2
from gmflow.handlers.series import Image, SeriesEnd, SeriesStart
from tests.support.green import endpoint, peer, thread

FRAMES = 20


def messages():
    array = np.arange(60_000, dtype=np.uint16).reshape(200, 300)
    config = stream2.make_config(array.shape, array.dtype, FRAMES, ["a", "b"])
    yield stream2.encode(SeriesStart(1, {}, config, masks={"a": array.astype(np.uint32)}))
    for frame in range(FRAMES):
        yield stream2.encode(Image(1, frame, {}, {"a": array + frame, "b": array}, 9, 8, 7))
    yield stream2.encode(SeriesEnd(1, {}))


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("changed", [False, True])
def test_a_series_is_forwarded(threads, changed):
    sent = list(messages())
    received = []

    def send():
        for parts in sent:
            source.send_multipart(parts)

    def take():
        received.extend(sink.recv_multipart() for _ in sent)

    with peer(zmq.PUSH, SNDTIMEO=9000) as source, peer(zmq.PULL, RCVTIMEO=9000) as sink:
        with (
            gmflow.connect(endpoint(source), receive_timeout=9000, decode_threads=threads) as one,
            gmflow.connect(endpoint(sink), mode=gmflow.PUSH, linger=9000) as other,
            thread(send),
            thread(take),
        ):
            for _ in sent:
                item = one.receive(on_error="raise").data
                other.forward(replace(item) if changed else item)
                if isinstance(item, Image):
                    assert item.arrays["a"][0, 0] == item.frame
        assert (item.expected, item.seen, item.missing) == (FRAMES, FRAMES, 0)
    if changed:
        decoder = gmflow.Decoder()
        images = [decoder.decode(parts) for parts in received][1:-1]
        assert [int(image.arrays["a"][0, 1]) for image in images] == list(range(1, FRAMES + 1))
    else:
        assert received == sent


def test_what_is_no_message_of_any_kind_is_an_error():
    with (
        peer(zmq.PUSH) as source,
        gmflow.connect(endpoint(source), receive_timeout=9000) as stream,
    ):
        source.send(b"rubbish")
        with pytest.raises(gmflow.errors.HeaderError):
            stream.receive(on_error="raise")
        source.send(b"\xd9\xd9\xf7\xa1\x64type\x65other")
        with pytest.raises(gmflow.errors.DecodeError, match="'other'"):
            stream.receive(on_error="raise")
