"""Orders, reports and outcomes survive their encoding, bit for bit."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sweeps.records.snapshot_store import SnapshotKey
from sweeps.run.messages import Heartbeat, Outcome, Report, SnapshotNews, Spent, TrialOrder, decode, encode

ORDER = TrialOrder({"seed": 1}, (25,), (5, 30), 20, "abc", "s3://b", True, (SnapshotKey("k", 5),), ((5,),), "p", False)
REPORT = Report("generation", 20, 40, None, [{"losses": {"a": 0.5}}], Spent(20, 0.1, 0.2, 0.3), {"host": "h"})
NEWS = SnapshotNews(((SnapshotKey("k", 5), 100),), (SnapshotKey("k", 4),), "gone")


@pytest.mark.parametrize(
    "message",
    [ORDER, Heartbeat(), REPORT, replace(REPORT, snapshots=NEWS), Outcome("oom", error="no"), Outcome("completed")],
)
def test_every_message_survives(message):
    found = decode(encode(message))
    assert found == message
    assert type(found) is type(message)


def test_snapshot_keys_come_back_as_keys():
    assert decode(encode(ORDER)).snapshots[0].name == SnapshotKey("k", 5).name


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_numbers_survive_bit_for_bit(accuracy, loss):
    message = replace(REPORT, validation_accuracy=accuracy, curve=[{"losses": {"a": loss}}])
    found = decode(encode(message))
    assert found.validation_accuracy.hex() == accuracy.hex()
    assert found.curve[0]["losses"]["a"].hex() == loss.hex()


def test_a_loss_that_is_not_a_number_survives():
    found = decode(encode(replace(REPORT, curve=[{"losses": {"a": math.nan}}])))
    assert math.isnan(found.curve[0]["losses"]["a"])


def test_a_message_of_another_version_is_refused():
    with pytest.raises(ValidationError):
        decode('{"kind": "Report", "stage": "generation"}')
