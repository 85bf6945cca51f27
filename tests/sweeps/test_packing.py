"""How many trials share a device."""

import pytest

from sweeps.packing import room


@pytest.mark.parametrize(
    ("share", "nodes", "trials"),
    [
        ({"CPU": 1.0, "GPU": 0.0}, [{"CPU": 4.0}, {"CPU": 2.0, "GPU": 1.0}], 6),
        ({"CPU": 1.0, "GPU": 0.25}, [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 3.0, "GPU": 1.0}, {"CPU": 9.0}], 8 + 3),
        ({"CPU": 1.0, "GPU": 0.1}, [{"CPU": 16.0, "GPU": 1.0}], 10),
        ({"CPU": 1.0, "GPU": 0.3}, [{"CPU": 16.0, "GPU": 1.0}], 3),
        ({"CPU": 3.0, "GPU": 0.0}, [{"CPU": 2.0}], 0),
    ],
)
def test_room(share, nodes, trials):
    assert room(share, nodes) == trials
