"""Saving as PyTorch does, with the location tags, protocols and containers that a case asks for."""

import io
import unittest.mock
import warnings

import torch
from torch.utils.serialization import config

from . import rawzip


def tagged(tags):
    """Makes torch.save write other location tags: one for all storages, or {storage address: tag}, else "cpu"."""
    if tags is None:
        return unittest.mock.patch.object(
            torch.serialization, "location_tag", torch.serialization.location_tag
        )

    def tag(storage):
        return tags if isinstance(tags, str) else tags.get(storage.data_ptr(), "cpu")

    return unittest.mock.patch.object(torch.serialization, "location_tag", tag)


def address(tensor):
    """The key of a tensor's storage in `tags`."""
    return tensor.untyped_storage().data_ptr()


def save(obj, target, *, protocol=2, tags=None, legacy=False, alignment=None, crc=True):
    options = {"save.compute_crc32": crc}
    if alignment is not None:
        options["save.storage_alignment"] = alignment
    with tagged(tags), config.patch(options), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(obj, target, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)


def saved_bytes(obj, **options):
    buffer = io.BytesIO()
    save(obj, buffer, **options)
    return buffer.getvalue()


def rezip(data, change=lambda name, payload: payload, **entry_options):
    """The same records in a zip written anew; `change` gives each payload (None drops the record)."""
    entries = []
    for name, payload in rawzip.read(data):
        payload = change(name.split("/", 1)[1], payload)
        if payload is not None:
            entries.append(rawzip.Entry(name, payload, **entry_options))
    return rawzip.build(entries)


def swapped(payload, width):
    """Each group of `width` bytes reversed."""
    return b"".join(payload[i : i + width][::-1] for i in range(0, len(payload), width))


def big_endian(data, widths):
    """The file as a big-endian machine writes it; `widths` are the bytes to swap in each data record."""

    def change(name, payload):
        if name == "byteorder":
            return b"big"
        return swapped(payload, widths[name]) if name in widths else payload

    return rezip(data, change, alignment=64)
