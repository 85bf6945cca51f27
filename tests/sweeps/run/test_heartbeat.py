"""When a running trial has been silent too long."""

from sweeps.run.heartbeat import SECONDS, TIMES, HeartbeatMonitor


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_who_reports_is_never_too_silent_and_who_does_not_is_told_of_once_each_time():
    clock = Clock()
    monitor = HeartbeatMonitor(30.0, clock=clock)
    found = []
    for clock.now in range(0, 100, 10):
        monitor.heard("speaks")
        found += [(clock.now, run_id) for run_id in monitor.silent(["speaks", "silent"])]
    assert found == [(40, "silent"), (80, "silent")]


def test_silence_counts_from_when_a_trial_was_first_seen_at_work():
    clock = Clock()
    monitor = HeartbeatMonitor(30.0, clock=clock)
    clock.now = 1000
    assert monitor.silent(["late"]) == []
    clock.now = 1030
    assert monitor.silent(["late"]) == []
    clock.now = 1031
    assert monitor.silent(["late"]) == ["late"]


def test_without_a_limit_ten_times_the_longest_pause_is_allowed():
    clock = Clock()
    monitor = HeartbeatMonitor(clock=clock)
    monitor.silent(["slow"])
    assert monitor.allowed == SECONDS
    clock.now = 200
    monitor.heard("slow")
    assert monitor.allowed == TIMES * 200
    monitor.ended("slow")
    clock.now = 10000
    monitor.heard("slow")
    assert monitor.allowed == TIMES * 200, "the time between two trials is no pause"
