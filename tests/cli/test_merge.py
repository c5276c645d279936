"""m_merge as an operator starts it: strategies, options, what is accounted for, exit status."""

import json
import signal

import pytest
import zmq

from tests.support.scripts import free_address, row, until, with_signals

HTYPE = "raw-1.0"


def pulse(source, number, **more):
    """Return a message of a source, whose pulse_id is a number."""
    header = {"htype": HTYPE, "pulse_id": number, **more}
    return [json.dumps(header).encode(), f"{source} {number}".encode()]


def senders(peers, addresses, kind=zmq.PUSH):
    return [peers.open(kind, address, bind=True) for address in addresses]


def addresses(number):
    return [free_address() for _ in range(number)]


def nodes(out):
    """Return the nodes of the last line of JSON; every one must add up."""
    found = json.loads(out.splitlines()[-1])["nodes"]
    for name, node in found.items():
        unmatched = sum(sum(causes.values()) for causes in node["unmatched"].values())
        gone = node["sent"] + sum(node["dropped"].values()) + node["failed"] + unmatched
        assert node["received"] == gone + node["left_over"], (name, node)
    return found


def sets_of(received):
    """Return each merged message's value, the names that it has, and its data parts."""
    for header, *parts in received:
        header = json.loads(header)
        assert header["htype"] == "merged-1.0"
        there = [source["name"] for source in header["sources"] if source["parts"]]
        yield header["value"], there, [bytes(part) for part in parts[1::2]]


def test_in_turn_by_default(scripts, peers):
    *sources, output = addresses(4)
    script = scripts.start("m_merge", "-o", output, *sources)
    for index, push in enumerate(senders(peers, sources)):
        push.until_met().send(*(pulse(index, number) for number in range(50)))
    pull = peers.open(zmq.PULL, output).until_met()
    expected = [pulse(index, number) for number in range(50) for index in range(3)]
    assert pull.receive_all(150) == expected
    result = script.end()
    assert (result.status, result.err) == (0, "")
    assert (row(result.out, "merger").received, row(result.out, "merger").sent) == (150, 150)
    assert row(result.out, "output").sent == 150


def test_as_they_come(scripts, peers):
    *sources, output = addresses(3)
    script = scripts.start("m_merge", "--strategy", "ARRIVAL", "-o", output, *sources)
    _, push = senders(peers, sources)
    pull = peers.open(zmq.PULL, output).until_met()
    sent = [pulse(1, number) for number in range(50)]
    push.send(*sent)  # the other source says nothing
    assert pull.receive_all(50) == sent
    assert script.end().status == 0


def test_by_key_only_complete_sets_go_out(scripts, peers):
    *sources, output = addresses(4)
    options = ["--strategy", "by_key", "--window", "10", "--patience", "60", "--json"]
    script = scripts.start("m_merge", *options, "-o", output, *sources)
    pushes = senders(peers, sources)
    missing = {0: {3}, 1: {5, 7}, 2: set()}
    for index, push in enumerate(pushes):
        there = (number for number in range(100) if number not in missing[index])
        peers.sender(push, [pulse(index, number) for number in there])
    pull = peers.open(zmq.PULL, output)
    received = list(sets_of(pull.receive_all(97)))
    names = [f"source {address}" for address in sources]
    complete = [number for number in range(100) if number not in (3, 5, 7)]
    assert received == [
        (number, names, [f"{index} {number}".encode() for index in range(3)]) for number in complete
    ]
    result = script.end(signal.SIGINT)
    assert (result.status, result.err) == (0, "")
    found = nodes(result.out)
    assert {found[name]["sent"] for name in names} == {98, 99, 100}
    assert found["merger"]["received"] == 297
    assert found["merger"]["unmatched"] == {
        names[0]: {"incomplete": 2},
        names[1]: {"incomplete": 1},
        names[2]: {"incomplete": 3},
    }
    assert found[f"output {output}"]["sent"] == 97


def test_by_key_partial_and_flat(scripts, peers):
    *sources, output = addresses(3)
    options = ["--strategy", "by_key", "--key", "frame", "--partial", "--flatten", "--json"]
    script = scripts.start("m_merge", *options, "-o", output, *sources)
    one, two = (push.until_met() for push in senders(peers, sources))
    one.send(*(pulse(1, 0, frame=number) for number in range(4)))
    two.send(*(pulse(2, 0, frame=number) for number in range(1, 4)))
    pull = peers.open(zmq.PULL, output).until_met()
    expected = [pulse(1, 0, frame=0)]
    for number in range(1, 4):
        expected += [pulse(1, 0, frame=number), pulse(2, 0, frame=number)]
    assert pull.receive_all(7) == expected
    result = script.end()
    assert result.status == 0
    assert nodes(result.out)["merger"]["unmatched"] == {}


def test_by_key_does_not_wait_longer_than_the_patience(scripts, peers):
    *sources, output = addresses(3)
    options = ["--strategy", "by_key", "--partial", "--patience", "0.2"]
    script = scripts.start("m_merge", *options, "-o", output, *sources)
    one, _ = senders(peers, sources)
    pull = peers.open(zmq.PULL, output).until_met()
    one.until_met().send(pulse(1, 7))  # the other source never says a word
    (found,) = sets_of([pull.receive()])
    assert found == (7, [f"source {sources[0]}"], [b"1 7"])
    assert script.end().status == 0


def test_published_in_and_out(scripts, peers):
    *sources, output = addresses(3)
    options = ["-m", "SUB", "--output-mode", "pub", "--strategy", "arrival"]
    script = scripts.start("m_merge", *options, "-o", output, *sources)
    publishers = senders(peers, sources, zmq.PUB)
    sub = peers.open(zmq.SUB, output).until_met()
    for index, publisher in enumerate(publishers):
        while True:  # until the subscription is there
            publisher.send(pulse(index, 1))
            if sub.socket.poll(20):
                assert sub.receive() == pulse(index, 1)
                break
        while sub.socket.poll(100):  # what is under way of it
            sub.receive()
    assert script.end().status == 0


@with_signals("strategy", ["round_robin", "arrival", "by_key --patience 60"])
def test_a_signal_at_full_speed_loses_nothing(scripts, peers, strategy, number):
    *sources, output = addresses(4)
    options = ["--json", "--strategy", *strategy.split()]
    script = scripts.start("m_merge", *options, "-o", output, *sources)
    for index, push in enumerate(senders(peers, sources)):
        peers.sender(push, (pulse(index, each) for each in range(1_000_000)))
    reader = peers.reader(peers.open(zmq.PULL, output))
    reader.until(1000)
    result = script.end(number)
    assert (result.status, result.err) == (0, "")
    found = nodes(result.out)
    received = reader.rest()
    assert len(received) == found[f"output {output}"]["sent"]
    if strategy.startswith("by_key"):
        everything = list(sets_of(received))
        assert [value for value, _, _ in everything] == list(range(len(received)))
        assert {len(there) for _, there, _ in everything} == {3}


def test_json_while_it_runs(scripts, peers):
    *sources, output = addresses(3)
    script = scripts.start("m_merge", "--json", "-o", output, *sources)
    pushes = senders(peers, sources)
    pull = peers.open(zmq.PULL, output).until_met()
    for push in pushes:
        push.until_met().send(pulse(0, 0))
    pull.receive_all(2)
    until(lambda: json.loads(script.out.next("{"))["nodes"]["merger"]["sent"] == 2)
    result = script.end()
    assert result.status == 0
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert [line["seconds"] for line in lines] == sorted(line["seconds"] for line in lines)
    assert list(nodes(result.out)) == [
        *(f"source {address}" for address in sources),
        "merger",
        f"output {output}",
    ]


# what is wrong is one line


TWO = ["tcp://127.0.0.1:9998", "tcp://127.0.0.1:9999"]
OUT = ["-o", "tcp://127.0.0.1:9997"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "usage: m_merge"),
        (TWO, "usage: m_merge"),
        (OUT, "usage: m_merge"),
        ([*OUT, *TWO, "--nonsense"], "usage: m_merge"),
        ([*OUT, *TWO, "-m", "push"], "--mode is 'push'; it can be pull or sub"),
        ([*OUT, *TWO, "--output-mode", "tap"], "--output-mode is 'tap'; it can be push or pub"),
        ([*OUT, *TWO, "--strategy", "best"], "--strategy is 'best'; it can be round_robin or"),
        ([*OUT, *TWO, "--key", "frame"], "--key is for --strategy by_key, not for round_robin"),
        (
            [*OUT, *TWO, "--strategy", "arrival", "--window", "9"],
            "--window is for --strategy by_key",
        ),
        ([*OUT, *TWO, "--patience", "1"], "--patience is for --strategy by_key"),
        ([*OUT, *TWO, "--partial"], "--partial is for --strategy by_key"),
        ([*OUT, *TWO, "--flatten"], "--flatten is for --strategy by_key"),
        ([*OUT, *TWO, "--strategy", "by_key", "--key", ""], "merge.key is ''; it can be a text"),
        (
            [*OUT, *TWO, "--strategy", "by_key", "--window", "0"],
            "--window is '0'; it can be a whole",
        ),
        (
            [*OUT, *TWO, "--strategy", "by_key", "--window", "x"],
            "--window is 'x'; it can be a whole",
        ),
        ([*OUT, *TWO, "--strategy", "by_key", "--patience", "-1"], "--patience is '-1'; it can be"),
        ([*OUT, *TWO, "--strategy", "by_key", "--patience", "nan"], "--patience is 'nan'; it can"),
        (
            [*OUT, *TWO, "--strategy", "by_key", "--patience", "1e9"],
            "merge.patience is 1000000000.0; it can be a number from 0 to 3600, in seconds",
        ),
        (
            [*OUT, TWO[0], "nonsense"],
            "sources[1].address is 'nonsense'; it can be tcp://host:port",
        ),
        (["-o", "tcp://*", *TWO], "streams[0].address is 'tcp://*'; it can be tcp://host:port"),
        (
            ["-o", "tcp://*:9997", TWO[0], "tcp://*:9997"],
            "streams[0].address is 'tcp://*:9997'; it is bound by sources[1] already",
        ),
    ],
)
def test_wrong_usage(scripts, arguments, words):
    result = scripts.run("m_merge", *arguments)
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.startswith("m_merge: ")
    assert words in result.err
    assert result.err.endswith("see m_merge --help\n")


def test_an_output_that_is_taken(scripts, peers):
    _, address = peers.server()
    result = scripts.run("m_merge", "-o", address, *TWO)
    assert result.status == 1
    assert result.err.startswith(f"m_merge: can't bind to {address}: ")
    assert result.err.count("\n") == 1
