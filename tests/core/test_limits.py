"""The limits: each has the value that stands here, so that none changes without notice.

What happens at a limit and beyond it is tested beside its module, often by its name.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]

LIMITS = {
    "cborwire.py:MAX_DEPTH": 64,
    "cborwire.py:MAX_KEYS": 4096,
    "cborwire.py:MAX_ITEMS": 65_536,
    "cborwire.py:MAX_TEXT": 1024,
    "cli/generate.py:MAX_MEGABYTES": 1_000_000,
    "cli/generate.py:MAX_PIXELS": 1_000_000_000,
    "cli/generate.py:MAX_TEXT": 16_777_216,
    "cli/playback.py:MAX_DAMAGES": 100,
    "cli/readahead.py:MAX_BATCH": 256,
    "cli/readahead.py:MAX_BATCH_BYTES": 8_388_608,
    "cli/replay.py:MAX_BURST": 64,
    "cli/report.py:MAX_NAMED": 3,
    "codecs/blocks.py:MAX_BLOCK": 2_113_929_216,
    "codecs/bslz4.py:MAX_FAST_BLOCK": 1_048_576,
    "codecs/limits.py:MAX_BYTES": 1_073_741_824,
    "codecs/limits.py:MAX_EXPANSION": 255,
    "config/schema.py:MAX_QUEUE": 2_147_483_647,
    "config/schema.py:MAX_WINDOW": 2_147_483_648,
    "config/schema.py:MAX_SECONDS": 3600.0,
    "config/schema.py:MAX_RATE": 1000000.0,
    "decoder.py:MAX_RUNNING": 64,
    "deferred.py:MAX_THREADS": 256,
    "filters.py:MAX_SERIES": 64,
    "formats.py:MAX_COUNT": 9_223_372_036_854_775_808,
    "green/topology/merger.py:MAX_WAITING": 16_384,
    "green/topology/merger.py:MAX_WAITING_BYTES": 268_435_456,
    "green/topology/recorder.py:MAX_PENDING": 1024,
    "green/topology/recorder.py:MAX_PENDING_BYTES": 33_554_432,
    "green/topology/runner.py:MAX_IO_THREADS": 4,
    "green/topology/tap.py:MAX_REST": 0.05,
    "green/transport/receive.py:MAX_BURST": 64,
    "green/transport/receive.py:MAX_BURST_BYTES": 4_194_304,
    "green/transport/send.py:MAX_COPIED": 1_048_576,
    "handlers/bsread/bsread_channels.py:MAX_CHARACTER_BYTES": 4,
    "handlers/bsread/data_header.py:MAX_TEXT": 16_777_216,
    "handlers/bsread/data_header.py:MAX_REMEMBERED": 16,
    "handlers/eiger.py:MAX_IMAGES": 18_446_744_073_709_551_615,
    "handlers/merged_1_0.py:MAX_SOURCES": 4096,
    "handlers/series.py:MAX_SERIES": 8,
    "handlers/series.py:MAX_FRAMES": 16_777_216,
    "handlers/shapes.py:MAX_DIMENSIONS": 64,
    "handlers/stream2/cbor_arrays.py:MAX_DIMENSIONS": 32,
    "handlers/stream2/cbor_map.py:MAX_DEPTH": 64,
    "handlers/stream2/cbor_map.py:MAX_ARRAY_DEPTH": 8,
    "handlers/stream2/cbor_map.py:MAX_CHANNELS": 256,
    "handlers/stream2/cbor_map.py:MAX_FIELDS": 4096,
    "message.py:MAX_HEADER_BYTES": 1_048_576,
    "recording/folder/folder_writer.py:MAX_PARTS": 10_000,
    "recording/hdf5/arrays_family.py:MAX_SEGMENTS": 1024,
    "recording/hdf5/bsread_family.py:MAX_CHANNELS": 4096,
    "recording/hdf5/columns.py:MAX_ROWS": 1024,
    "recording/hdf5/columns.py:MAX_KEPT": 262_144,
    "recording/hdf5/columns.py:MAX_CHUNK_BYTES": 4_294_967_295,
    "recording/hdf5/columns.py:MAX_DIMENSIONS": 31,
    "recording/hdf5/columns.py:MAX_TEXT": 1_048_576,
    "recording/hdf5/files.py:MAX_OPEN": 64,
    "recording/hdf5/files.py:MAX_DATASETS": 65_536,
    "recording/hdf5/files.py:MAX_REMEMBERED": 64,
    "recording/hdf5/hdf5_writer.py:MAX_REASONS": 100,
    "recording/hdf5/nexus.py:MAX_KEYS": 512,
    "recording/hdf5/series_files.py:MAX_SERIES": 64,
    "recording/hdf5/series_files.py:MAX_ENDED": 8,
    "recording/hdf5/series_files.py:MAX_START_BYTES": 1_073_741_824,
    "recording/mcap/mcap_blocks.py:MAX_BYTES": 1_073_741_824,
    "recording/mcap/mcap_file.py:MAX_BUFFERS": 1024,
    "recording/mcap/mcap_reader.py:MAX_SUMMARY_BYTES": 268_435_456,
    "recording/mcap/mcap_reader.py:MAX_CHANNEL_BYTES": 1_048_576,
    "recording/mcap/mcap_writer.py:MAX_CHANNELS": 65_535,
    "recording/mcap/mcap_writer.py:MAX_PIECES": 32_768,
    "render/summary.py:MAX_NAME": 40,
    "render/words.py:MAX_LINES": 32,
    "render/words.py:MAX_BITS": 128,
    "replay/edit.py:MAX_LEVELS": 16,
    "replay/faults.py:MAX_GARBAGE": 16,
    "replay/listing.py:MAX_ROWS": 50,
    "replay/listing.py:MAX_COUNTED": 10_000,
    "replay/listing.py:MAX_LETTERS": 60,
    "sequence/tally.py:MAX_GAPS": 256,
    "sequence/tracker.py:MAX_SERIES": 8,
    "sequence/tracker.py:MAX_PREDICTED_BYTES": 1024,
    "sequence/tracker.py:MAX_PATIENCE": 64,
    "simulate/diffraction.py:MAX_NOISE_BYTES": 268_435_456,
    "simulate/pulses.py:MAX_BYTES": 1_073_741_824,
    "tuning.py:MAX_KEPT_BLOCK": 33_554_432,
}


def limits() -> dict[str, float]:
    """Return the value of every constant called MAX_..., by its module and name."""
    found = {}
    for path in ROOT.glob("gmflow/**/*.py"):
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("MAX_"):
                value = eval(ast.unparse(node.value), {})
                name = f"{path.relative_to(ROOT)}:{ast.unparse(node.targets[0])}"
                found[name.removeprefix("gmflow/")] = value
    return found


def test_every_limit_has_its_value() -> None:
    assert limits() == LIMITS
