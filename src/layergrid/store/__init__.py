"""Keeps the results of stages in a folder, each under the digest of all that it depends on; it knows no stage.

    key = Key.of("capture", capture.VERSION, {"positions": ..., "sequences": other_key}, libraries=("torch",))
    value = store.result(key, make=lambda folder: ..., read=lambda folder: ...)

`make` is called only where the store has nothing, so inputs are best read inside it: what is not needed is not read.
An entry is built in a folder of its own and renamed when it is whole; a build that is killed leaves no entry.

    ROOT/v1/STAGE/DIGEST/       what `make` wrote, and entry.json: the key's parts, size and sha256 of every file
    ROOT/v1/unfinished/         folders that are being built
    ROOT/v1/locks/              one per key that was ever built
"""

from layergrid.store.entries import ENTRY, FORMAT, Key, Store, default_root
from layergrid.store.files import load, load_activations, load_attention, save, save_activations, save_attention
from layergrid.store.shards import FolderShards

__all__ = [
    "ENTRY",
    "FORMAT",
    "FolderShards",
    "Key",
    "Store",
    "default_root",
    "load",
    "load_activations",
    "load_attention",
    "save",
    "save_activations",
    "save_attention",
]
