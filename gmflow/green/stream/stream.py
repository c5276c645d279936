"""mflow's API on green sockets: a stream is one socket with its handlers and statistics.

Everything mflow has keeps its name, position, default and behaviour; more is keyword-only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from logging import getLogger
from typing import Any, NoReturn

import zmq

from ...decoder import Decoder, Handler
from ...errors import ConfigError, ConnectError
from ...handlers import DEFAULT
from ...message import Message
from ...receiver import Receiver
from ...statistics import Statistics
from ..decode_pool import Decoding
from ..threads import end_context, threads_are_green
from ..transport.connections import ConnectionHealth, ConnectionWatcher, WatchedSocket
from ..transport.monitor import (
    ConnectionCountMonitor,
    Monitor,
    SocketEventListener,
    no_clients_timeout_notifier,
)
from ..transport.open_socket import check_settings, endpoint, open_socket
from ..transport.socket import Context
from .reader import StreamReader, raises_on
from .sender import StreamSender, value_htype

logger = getLogger(__name__)

CONNECT = "connect"
BIND = "bind"
PUB = zmq.PUB
SUB = zmq.SUB
PUSH = zmq.PUSH
PULL = zmq.PULL

NOT_CONNECTED = "the stream is not connected: call connect first"


class Stream:
    """One ZeroMQ socket that receives or sends whole messages.

    A stream belongs to the thread that connected it; elsewhere, or before `connect`, its
    methods raise ConnectError. It can be iterated over, and used as a context manager that
    disconnects at the end.

    Parameters
    ----------
    handlers : mapping of str to handler, optional
        Which handler reads which htype, beside those of the built-in table and in their place.
    on_error : {"log", "raise"}, optional
        What `receive` and `forward` do with a message that can't be read or written.
    decode_threads : int, optional
        Native threads for what handlers leave for later, such as pixels; 0: on the hub. With two
        or more, messages are taken ahead: who polls `socket` looks at `ahead` too.

    Attributes
    ----------
    socket, context, address : Socket, Context and str, or None
        After `connect`.
    """

    def __init__(
        self,
        *,
        handlers: Mapping[str, Handler] | None = None,
        on_error: str = "log",
        decode_threads: int = 1,
    ) -> None:
        self.socket: WatchedSocket | None = None
        self.address: str | None = None
        self.context: Context | None = None
        self._owns_context = False
        self._raises = raises_on(on_error)
        self._decoder = Decoder(handlers)
        self._decoding = Decoding(self._decoder, decode_threads)
        self._reader: StreamReader | None = None
        self._sender: StreamSender | None = None
        self._watcher: ConnectionWatcher | None = None
        self._socket_monitors: list[Monitor] = []
        self._listener = SocketEventListener(self._socket_monitors)
        self._linger = 0.0

    @property
    def handlers(self) -> MutableMapping[str, Handler]:
        """Which handler reads which htype, of this stream alone."""
        return self._decoder.handlers

    @handlers.setter
    def handlers(self, handlers: MutableMapping[str, Handler]) -> None:
        self._decoder.handlers = handlers

    @property
    def statistics(self) -> Statistics:
        """The counters, live."""
        return self._decoder.statistics

    @property
    def receiver(self) -> Receiver:
        """What the handlers read from; its ``statistics`` are the stream's."""
        return self._decoder.receiver

    @property
    def receive_timeout(self) -> float | None:
        """Milliseconds that `receive` waits at most; None where it waits for ever."""
        reader = self._reader or self._refuse("receive")
        return None if reader.timeout is None else reader.timeout * 1000

    @property
    def ahead(self) -> int:
        """Messages that were taken from the socket, and that `receive` will give next."""
        return len(self._decoding)

    def connect(
        self,
        address: str,
        conn_type: str = CONNECT,
        mode: str | int = PULL,
        receive_timeout: float | None = None,
        queue_size: int = 100,
        linger: int = 1000,
        context: Any = None,
        copy: bool = True,
        send_timeout: float | None = None,
        *,
        topics: Sequence[str | bytes] = ("",),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Open the stream's socket.

        Parameters
        ----------
        address : str
            ``tcp://host:port``, ``ipc://path`` or ``inproc://name``.
        conn_type : {CONNECT, BIND}, optional
        mode : {PULL, PUSH, SUB, PUB}, optional
        receive_timeout, send_timeout : float, optional
            Milliseconds; None, 0 and -1 wait for ever.
        queue_size, linger, topics, options
            As of `gmflow.green.transport.open_socket.open_socket`.
        context : zmq.Context, optional
            Use this context, plain or green, which stays the caller's; a new one by default.
        copy : bool, optional
            False gives parts as memoryviews and sends large parts without a copy.

        Raises
        ------
        ConnectError, ConfigError
            If the address can't be bound or connected to, or an argument is none of those.
        """
        if conn_type not in (CONNECT, BIND):
            raise ConfigError(f"conn_type is {conn_type!r}; it can be 'connect' or 'bind'")
        check_settings(queue_size, linger, topics, options)
        binds = conn_type == BIND
        if self.socket is not None and not self.socket.closed:
            raise ConnectError(f"the stream is connected to {self.address}: disconnect it first")
        self.context = Context() if context is None else Context(shadow=context)
        self._owns_context = context is None
        # the peers of inproc are no connections
        health = None if str(address).startswith("inproc://") else ConnectionHealth(address)
        settings = (queue_size, linger, topics, options, health)
        try:
            self.socket = open_socket(self.context, address, mode, binds, *settings)
        except BaseException:
            self._end_context()
            raise
        self.address = address = endpoint(self.socket, address)
        self._decoder.receiver.copy = copy
        # pyzmq frees what was sent without a copy in a thread, which may hang when patched
        copy = copy or threads_are_green()
        self._linger = linger / 1000
        if self.socket.type in (PULL, SUB):
            timeout = _seconds(receive_timeout)
            self._reader = StreamReader(self.socket, self._decoding, timeout, address)
        else:
            self._sender = StreamSender(self.socket, self.statistics, _seconds(send_timeout), copy)
        self._watcher = ConnectionWatcher(self.socket, address)
        if self._socket_monitors:
            self._listener.start(self.socket)
        logger.info("%s to %s", "Bound" if binds else "Connected", address)

    def disconnect(self) -> None:
        """Close the socket; what was sent goes out, for up to `linger`, while the hub runs on.

        Running handlers are closed.
        """
        if self.socket is None or self.socket.closed:
            logger.warning("the stream is not connected: nothing to disconnect")
            return
        if self.socket.health is not None:
            self.socket.health.stop(self.socket)
        self._listener.stop()
        if self._sender and self._sender.drop():
            logger.warning("a message to %s lacked its last part, dropped", self.address)
        if left := self._decoding.close():
            logger.warning("%d messages from %s were taken and not read", left, self.address)
        self._reader = self._sender = None
        self.socket.close()
        self._decoder.close()
        self._end_context()
        logger.info("Disconnected from %s", self.address)

    def _end_context(self) -> None:
        if self._owns_context and self.context is not None:
            end_context(self.context, self._linger)

    def receive(
        self, handler: Handler | None = None, block: bool = True, *, on_error: str | None = None
    ) -> Message | None:
        """Receive one message.

        Parameters
        ----------
        handler : handler, optional
            Read the message with this one, whatever its htype.
        block : bool, optional
        on_error : {"log", "raise"}, optional
            What to do with a message that can't be read; as the stream was made by default.

        Returns
        -------
        Message or None
            None after the receive time-out, with ``block=False`` when none is there, when its
            handler skips it, and when it can't be read: logged and counted, or with
            ``on_error="raise"`` a DecodeError.
        """
        reader = self._reader or self._refuse("receive")
        raises = self._raises if on_error is None else raises_on(on_error)
        message = reader.next(handler, reader.timeout if block else 0)
        if message is not None and message.data is None:
            reader.report(message, raises)
            return None
        return message

    def receive_raw(self, block: bool = True) -> Message | None:
        """Receive one message as raw-1.0, whatever its htype."""
        return self.receive(DEFAULT["raw-1.0"], block)

    def __iter__(self) -> Iterator[Message]:
        """Return message after message, until the receive time-out passes or the stream closes."""
        reader = self._reader or self._refuse("receive")
        return reader.each(self._raises)

    def send(
        self, message: Any, send_more: bool = False, block: bool = True, as_json: bool = False
    ) -> None:
        """Send one part; the message goes out, whole, with its last part.

        Parameters
        ----------
        message : bytes-like or object
            The part; an object to be written as JSON with `as_json`.
        send_more : bool, optional
        block : bool, optional
            False for the first part: drop the message, counted, if it can't go out right now.

        A SendTimeout says that the send time-out passed and nothing of the message went out.
        """
        (self._sender or self._refuse("send")).send(message, send_more, block, as_json)

    def send_parts(self, parts: Sequence[Any], block: bool = True) -> None:
        """Send a list of contiguous parts at once; those of `Message.parts` go on untouched."""
        (self._sender or self._refuse("send")).send_parts(parts, block)

    def forward(
        self, message: Any, handler: Callable[..., Any] | None = None, block: bool = True
    ) -> None:
        """Send a value as one whole message.

        What can't be written or sent in time is logged and counted, as in mflow, or raised
        where the stream was made with ``on_error="raise"``.

        Parameters
        ----------
        message : object
            The value, as `receive` gives it in ``message.data``.
        handler : callable, optional
            Called as ``handler(message, send=stream.send, block=block)``, sends the parts
            itself; by default the value is written by its htype's ``encode``.
        block : bool, optional
            As of `send`.

        Raises
        ------
        EncodeError
            If the value has no header with an htype.
        """
        sender = self._sender or self._refuse("send")
        htype = None if handler else value_htype(message)
        try:
            if handler:
                handler(message, send=self.send, block=block)
            else:
                sender.send_value(htype, message, block)
        except Exception as error:
            sender.drop()
            if self._raises:
                raise
            logger.warning("a message to %s was not sent, skipped: %s", self.address, error)

    @property
    def connection(self) -> dict[str, int] | None:
        """How the socket's connections do, up to now; None before `connect` and for inproc.

        ``peers`` are connected now, with the handshake done; ``connected`` and ``disconnected``
        count how often one came and went, ``handshake_failed`` those that ended without one.
        Peers that speak ZMTP 1 or 2 (libzmq before 4.0) make no handshake: they are not seen.
        """
        return None if self._watcher is None else self._watcher.connection

    def wait_connected(self, timeout: float | None = None) -> bool:
        """Wait until at least one peer is connected and has its handshake done.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None waits for ever.

        Returns
        -------
        bool
            False after the time-out. For inproc True at once.

        Raises
        ------
        ConnectError
            If the stream is not connected, or is disconnected meanwhile.
        """
        return self._watched().wait_connected(timeout)

    def wait_subscribed(self, timeout: float | None = None) -> bool:
        """Wait until somebody has subscribed to what a PUB stream sends.

        Parameters, returns and raises as `wait_connected`; ConnectError also if the stream is no
        PUB stream, or libzmq is older than 4.3.5.
        """
        return self._watched().wait_subscribed(timeout)

    def register_socket_monitor(self, monitor: Monitor) -> None:
        """Have `monitor` called at each event of the socket, and with None between them."""
        if monitor not in self._socket_monitors:
            self._socket_monitors.append(monitor)
        if self.socket is not None and not self.socket.closed:
            self._listener.start(self.socket)

    def remove_socket_monitor(self, callback_function: Monitor) -> None:
        """Stop calling a monitor; the listener ends with the last one."""
        if callback_function in self._socket_monitors:
            self._socket_monitors.remove(callback_function)
        if not self._socket_monitors:
            self._listener.stop()

    def _watched(self) -> ConnectionWatcher:
        if self.socket is None or self.socket.closed or self._watcher is None:
            raise ConnectError(NOT_CONNECTED)
        self.socket.poller.enter()
        return self._watcher

    def _refuse(self, verb: str) -> NoReturn:
        if self.socket is None or self.socket.closed:
            raise ConnectError(NOT_CONNECTED)
        raise ConnectError(f"the stream of {self.address} can't {verb}: its mode is for the other")

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self.disconnect()


def _seconds(milliseconds: float | None) -> float | None:
    return milliseconds / 1000 if milliseconds and milliseconds > 0 else None


def connect(
    address: str,
    conn_type: str = CONNECT,
    mode: str | int = PULL,
    queue_size: int = 100,
    receive_timeout: float | None = None,
    linger: int = 1000,
    no_client_action: Callable[[], None] | None = None,
    no_client_timeout: float = 10,
    copy: bool = True,
    send_timeout: float | None = None,
    *,
    handlers: Mapping[str, Handler] | None = None,
    topics: Sequence[str | bytes] = ("",),
    options: Mapping[str, Any] | None = None,
    context: Any = None,
    on_error: str = "log",
    decode_threads: int = 1,
) -> Stream:
    """Open a stream.

    Parameters
    ----------
    no_client_action : callable, optional
        Called each time that `no_client_timeout` seconds have passed without a client.
    handlers, on_error, decode_threads
        As of `Stream`; everything else as of `Stream.connect`.

    Returns
    -------
    Stream
    """
    stream = Stream(handlers=handlers, on_error=on_error, decode_threads=decode_threads)
    if no_client_action is not None:
        notifier = no_clients_timeout_notifier(no_client_action, no_client_timeout)
        stream.register_socket_monitor(ConnectionCountMonitor(notifier))
    stream.connect(
        address,
        conn_type,
        mode,
        receive_timeout,
        queue_size,
        linger,
        context,
        copy,
        send_timeout,
        topics=topics,
        options=options,
    )
    return stream


def disconnect(stream: Stream) -> None:
    """Close a stream."""
    stream.disconnect()
