"""m_replay -> m_split -> two times m_dump: a detector's series comes out as it went in."""

import pytest

from tests.support.captures import needs_captures, read_capture
from tests.support.recordings import files, write
from tests.support.scripts import complaints, free_address, row, rows


def through_the_chain(scripts, tmp_path, recording, count):
    """Replay a recording through the chain; return the files of both dumps."""
    source, *outputs = (free_address() for _ in range(3))
    split = scripts.start("m_split", source, *outputs)
    folders = [tmp_path / "one", tmp_path / "two"]
    dumps = [
        scripts.start("m_dump", "-n", count, address, folder)
        for address, folder in zip(outputs, folders, strict=True)
    ]
    replay = scripts.run("m_replay", "-a", source, recording)
    assert (replay.status, replay.err, row(replay.out, "output").sent) == (0, "", count)
    for dump in dumps:
        result = dump.wait()
        assert (result.status, result.err, row(result.out, "folder").sent) == (0, "", count)
    check_summary(split.end(), count)
    return [files(folder) for folder in folders]


def check_summary(result, count):
    assert (result.status, complaints(result.err)) == (0, "")
    table = rows(result.out)
    assert len(table) == 3
    for node in table.values():
        assert node.received == node.sent + node.dropped
        assert (node.received, node.sent) == (count, count)


@needs_captures
def test_a_real_series_of_an_eiger_1m(scripts, tmp_path):
    messages = read_capture("maxiv-eiger1-1m/series14")
    recorded = files(write(tmp_path / "recording", messages))
    assert len(recorded) > 2 * len(messages)
    dumps = through_the_chain(scripts, tmp_path, tmp_path / "recording", len(messages))
    assert dumps == [recorded, recorded]


@pytest.mark.parametrize("shape, images", [("1065x1030", 10), ("64x48", 300)])
def test_a_made_up_series(scripts, tmp_path, shape, images):
    recording, count, address = tmp_path / "recording", images + 2, free_address()
    dump = scripts.start("m_dump", "-n", count, address, recording)
    eiger = ["--htype", "eiger", "--shape", shape, "-n", count]
    assert scripts.run("m_generate", "-a", address, *eiger).status == 0
    assert dump.wait().status == 0
    recorded = files(recording)
    assert len(recorded) == 8 + 4 * images + 1
    assert through_the_chain(scripts, tmp_path, recording, count) == [recorded, recorded]


def test_the_live_stream_is_mirrored(scripts, tmp_path):
    """m_generate instead of m_replay, and one output that takes every third message."""
    source, *outputs = (free_address() for _ in range(3))
    path = tmp_path / "split.json"
    path.write_text(
        f'{{"source": {{"address": "{source}"}}, "streams": ['
        f'{{"address": "{outputs[0]}", "conn_type": "bind"}},'
        f'{{"address": "{outputs[1]}", "conn_type": "bind", "modulo": 3}}]}}'
    )
    split = scripts.start("m_split", "-c", path)
    folders = [tmp_path / "all", tmp_path / "third"]
    counts = [62, 20]
    dumps = [
        scripts.start("m_dump", "-n", count, address, folder)
        for address, folder, count in zip(outputs, folders, counts, strict=True)
    ]
    eiger = ["--htype", "eiger", "--shape", "64x48", "-n", counts[0]]
    assert scripts.run("m_generate", "-a", source, *eiger).status == 0
    for dump in dumps:
        assert dump.wait().status == 0
    everything, third = map(files, folders)
    kept = {name: part for name, part in everything.items() if int(name[:6]) % 3 == 2}
    assert {f"{int(name[:6]) * 3 + 2:06d}{name[6:]}": part for name, part in third.items()} == kept
    table = rows(split.end().out)
    last = table[f"output {outputs[1]}"]
    assert (last.received, last.sent, last.dropped) == (62, 20, 42)
