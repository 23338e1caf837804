"""Keeps the results of stages in a folder, each under the digest of all that it depends on; it knows no stage.

    key = Key.of("capture", capture.VERSION, {"positions": ..., "sequences": other_key}, libraries=("torch",))
    value = store.result(key, make=lambda folder: ..., read=lambda folder: ...)

`make` is called only where the store has nothing, so inputs are best read inside it: what is not needed is not read.
An entry is built in a folder of its own and renamed when it is whole; a build that is killed leaves no entry.

    ROOT/v1/STAGE/DIGEST/       what `make` wrote, and entry.json: the key's parts, size and sha256 of every file
    ROOT/v1/unfinished/         folders that are being built
    ROOT/v1/locks/              one per key that was ever built
    ROOT/v1/specs/              what the last build of each spec stood on
    ROOT/digests/               digests of large files, remembered

Bytes are compared with their checksums when an entry is first read by a process. The comparison of a large file is
believed by other processes for an hour if its size, times and inode are as they were: what is written to a file, by
hand or by accident, changes its times and is found by the next reader; what a failing disk does changes no time, and is
found by the first reader after the hour. (The first comparison of a gigabyte takes a second or two, the next ones under
a millisecond.) Files are not flushed to the disk before the folder is renamed, which would cost every report some 50 ms
and every gigabyte a second: what a power cut takes from an entry is found by its checksums, and the entry is made
again; only work can be lost, never truth.
"""

from layergrid.fingerprints import default_root
from layergrid.store.entries import Entry, State, Store
from layergrid.store.files import load, load_activations, load_attention, save, save_activations, save_attention
from layergrid.store.keys import FORMAT, Key
from layergrid.store.naming import called
from layergrid.store.sealed import ENTRY, Sealed
from layergrid.store.shards import FolderShards
from layergrid.store.sweeping import Piece, pieces, sweep

__all__ = [
    "ENTRY",
    "FORMAT",
    "Entry",
    "FolderShards",
    "Key",
    "Piece",
    "Sealed",
    "State",
    "Store",
    "called",
    "default_root",
    "load",
    "load_activations",
    "load_attention",
    "pieces",
    "save",
    "save_activations",
    "save_attention",
    "sweep",
]
