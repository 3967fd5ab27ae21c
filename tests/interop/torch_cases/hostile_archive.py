"""A sound file around a hostile pickle, and its entry in the list of files to refuse."""

from .rawzip import Entry, build


def archive(pickle, payload=bytes(12), records=()):
    """`records` are further (name, payload), for storages beside "0"."""
    entries = [
        Entry("archive/data.pkl", pickle),
        Entry("archive/byteorder", b"little"),
        Entry("archive/data/0", payload, alignment=64),
        *(Entry("archive/" + name, content, alignment=64) for name, content in records),
        Entry("archive/version", b"3\n"),
    ]
    return build(entries)


class Refuser:
    """Adds hostile pickles to one group; a refused one is refused in its pickle unless the case says otherwise."""

    def __init__(self, catalogue, group):
        self.catalogue, self.group = catalogue, group

    def __call__(self, name, pickle, expect, *accept, payload=bytes(12), records=(), **more):
        more.setdefault("record", "archive/data.pkl" if expect != "fine" else None)
        more = {k: v for k, v in more.items() if v is not None}
        self.catalogue.refuse(
            self.group, name, archive(pickle, payload, records), expect, accept=accept, **more
        )
