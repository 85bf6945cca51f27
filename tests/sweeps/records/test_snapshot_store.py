"""The store of snapshots: whole or not at all, wherever it is."""

import os
import threading

import fsspec
import pytest

from sweeps.records.snapshot_store import SnapshotKey, SnapshotStore

KEY = SnapshotKey("0123456789abcdef", 40)


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    yield SnapshotStore(
        str(tmp_path / "deep" / "snapshots") if request.param == "folder" else "memory://deep/snapshots"
    )
    fsspec.filesystem("memory").store.clear()


def files(store):
    """The names of all that is there, hidden files too."""
    system, folder = fsspec.core.url_to_fs(store.url)
    return {path.rpartition("/")[2] for path in system.find(folder)}


def test_what_was_written_is_read(store):
    assert store.snapshots() == {}
    assert store.read(KEY) is None
    size = store.write(KEY, b"state")
    assert store.read(KEY) == b"state"
    assert store.snapshots() == {KEY: size}
    assert len(store.get(KEY.name)) == size
    assert files(store) == {KEY.name}


def test_the_same_state_written_again_takes_the_place_of_the_first(store):
    store.write(KEY, b"state")
    size = store.write(KEY, b"the same")
    assert (store.read(KEY), store.snapshots()) == (b"the same", {KEY: size})


@pytest.mark.parametrize("damage", ["cut", "one bit", "empty", "longer", "shorter than its digest"])
def test_a_damaged_snapshot_counts_as_none_and_is_removed(store, damage):
    store.write(KEY, b"state" * 100)
    whole = store.get(KEY.name)
    store.put(
        KEY.name,
        {
            "cut": whole[:-1],
            "one bit": whole[:200] + bytes([whole[200] ^ 1]) + whole[201:],
            "empty": b"",
            "longer": whole + b"\0",
            "shorter than its digest": whole[:10],
        }[damage],
    )
    assert store.read(KEY) is None
    assert store.snapshots() == {}


@pytest.mark.parametrize("step", ["pipe_file", "mv"])
def test_a_crash_while_writing_leaves_the_old_one_and_nothing_beside_it(store, monkeypatch, step):
    store.write(KEY, b"old")
    system, _ = fsspec.core.url_to_fs(store.url)

    def crash(*_):
        raise OSError("No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(type(system), step, crash)
        with pytest.raises(OSError, match="No space left"):
            store.write(KEY, b"new")
    assert store.read(KEY) == b"old"
    assert files(store) == {KEY.name}


def test_a_reader_never_sees_a_part(tmp_path):
    store, contents = SnapshotStore(str(tmp_path)), [bytes([index]) * 2_000_000 for index in range(2)]
    store.write(KEY, contents[0])
    done = threading.Event()

    def write():
        for index in range(60):
            store.write(KEY, contents[index % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        found = store.read(KEY)
        assert found in contents
        seen.add(found[:1])
    writer.join()
    assert seen == {b"\0", b"\1"}, "the reader was to see both"


@pytest.mark.parametrize("key", [KEY, SnapshotKey("a-b", 0), SnapshotKey("f" * 16, 123_456_789)])
def test_a_key_is_its_name(key):
    assert SnapshotKey.of(key.name) == key


@pytest.mark.parametrize("name", ["x.npz", "abc.snapshot", "-00000001.snapshot", "abc-1x.snapshot", f"{KEY.name}.x"])
def test_other_files_are_no_snapshots(name):
    assert SnapshotKey.of(name) is None


def test_clear_removes_snapshots_and_what_crashed_writers_left(store):
    store.write(KEY, b"state")
    store.put(f".{KEY.name}.host.1", b"half a st")
    store.put("pictures.npz", b"not ours")
    assert store.snapshots().keys() == {KEY}
    store.clear()
    assert files(store) == {"pictures.npz"}
    store.delete("pictures.npz")
    store.delete("never there")
    store.clear()
    store.clear()
    assert store.snapshots() == {}


def test_an_empty_folder_is_removed(tmp_path):
    store = SnapshotStore(str(tmp_path / "snapshots"))
    store.write(KEY, b"state")
    store.clear()
    assert not os.path.lexists(tmp_path / "snapshots")


def test_what_others_changed_is_seen(store):
    """Listings of remote stores are cached; another driver or worker has written in between."""
    store.write(KEY, b"state")
    assert store.snapshots().keys() == {KEY}
    later = SnapshotKey(KEY.stage_key, 80)
    SnapshotStore(store.url).write(later, b"state")
    SnapshotStore(store.url).delete(KEY.name)
    assert store.snapshots().keys() == {later}
