"""A small zip writer that writes what it is told, sound or not."""

import dataclasses
import io
import struct
import zipfile
import zlib


@dataclasses.dataclass
class Entry:
    """A record. `local` and `central` override header fields: name, flags, method, crc, csize, usize, offset, disk."""

    name: str
    payload: bytes
    deflate: bool = False
    alignment: int = 1
    local: dict = dataclasses.field(default_factory=dict)
    central: dict = dataclasses.field(default_factory=dict)


def read(data):
    """(name, payload) of each record, in the order of the directory."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def encoded(name):
    return name if isinstance(name, bytes) else name.encode("utf-8")


def padding(start, alignment):
    """The extra field with which PyTorch's writer aligns payloads."""
    if alignment == 1:
        return b""
    length = -(start + 4) % alignment
    return b"FB" + struct.pack("<H", length) + b"Z" * length


def build(entries, comment=b"", end=None):
    """The archive. `end` overrides fields of the end record: entries, total, size, offset, disk."""
    out, directory = bytearray(), bytearray()
    for entry in entries:
        stored = entry.payload
        if entry.deflate:
            squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
            stored = squeeze.compress(entry.payload) + squeeze.flush()
        fields = {
            "name": entry.name,
            "flags": 0x0800,
            "method": 8 if entry.deflate else 0,
            "crc": zlib.crc32(entry.payload),
            "csize": len(stored),
            "usize": len(entry.payload),
            "offset": len(out),
            "disk": 0,
        }
        local, central = {**fields, **entry.local}, {**fields, **entry.central}
        name = encoded(local["name"])
        extra = padding(len(out) + 30 + len(name), entry.alignment)
        out += (
            struct.pack(
                "<IHHHHHIIIHH",
                0x04034B50,
                20,
                local["flags"],
                local["method"],
                0,
                0,
                local["crc"],
                local["csize"],
                local["usize"],
                len(name),
                len(extra),
            )
            + name
            + extra
            + stored
        )
        name = encoded(central["name"])
        directory += (
            struct.pack(
                "<IHHHHHHIIIHHHHHII",
                0x02014B50,
                20,
                20,
                central["flags"],
                central["method"],
                0,
                0,
                central["crc"],
                central["csize"],
                central["usize"],
                len(name),
                0,
                0,
                central["disk"],
                0,
                0,
                central["offset"],
            )
            + name
        )
    fields = {
        "entries": len(entries),
        "total": len(entries),
        "size": len(directory),
        "offset": len(out),
        "disk": 0,
    }
    fields.update(end or {})
    return bytes(
        out
        + directory
        + struct.pack(
            "<IHHHHIIH",
            0x06054B50,
            fields["disk"],
            fields["disk"],
            fields["entries"],
            fields["total"],
            fields["size"],
            fields["offset"],
            len(comment),
        )
        + comment
    )
