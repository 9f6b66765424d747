"""Numbers that C++ and Python compute alike, and the files that carry references from one to the other.

hashed(name, shape) is the same as hashed(name, shape) of tests/support/hashed.h, bit for bit.
"""
import json
import struct

import numpy as np


def stream_of(name):
    """FNV-1a, 32 bits."""
    h = 2166136261
    for byte in name.encode():
        h = (h ^ byte) * 16777619 % 2**32
    return h


def bits(name, count):
    """The finaliser of splitmix64 over stream * 2^32 + i."""
    with np.errstate(over="ignore"):
        z = np.uint64(stream_of(name) << 32) + np.arange(count, dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def hashed(name, shape):
    """Multiples of 2^-20 in [-1, 1), exact in float32."""
    count = int(np.prod(shape))
    grid = (bits(name, count) >> np.uint64(43)).astype(np.int64) - 2**20
    return (grid / 2.0**20).reshape(shape)


def hashed_below(name, count, n):
    """Integers in 0 .. n-1."""
    return ((bits(name, count) >> np.uint64(32)) % np.uint64(n)).astype(np.int64)


def write_safetensors(path, tensors, metadata):
    header, data = {"__metadata__": metadata}, b""
    for name, array in tensors.items():
        array = np.asarray(array)
        kind = {"float64": "F64", "float32": "F32", "int64": "I64", "uint8": "U8"}[str(array.dtype)]
        raw = array.tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def options_text(**options):
    """key=value key=value; lists are joined by commas."""
    def text(v):
        if isinstance(v, bool):
            return str(int(v))
        return ",".join(map(text, v)) if isinstance(v, (tuple, list)) else str(v)
    return " ".join(f"{k}={text(v)}" for k, v in options.items())
