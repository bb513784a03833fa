"""Values as indented lines."""

from sidecar.debug.text import outline


def test_every_value_stands_under_its_key() -> None:
    told = {
        "worker 0": {
            "count": 2,
            "known": None,
            "on": True,
            "counts": [1, 2.5],
            "empty": [],
            "none": {},
            "tasks": [{"name": "a", "stack": ["one", "two"]}, {"name": "b", "stack": []}],
        },
        "worker 1": {"error": "gone"},
    }
    assert outline(told).splitlines() == [
        "worker 0:",
        "  count: 2",
        "  known: -",
        "  on: yes",
        "  counts: 1 2.5",
        "  empty: none",
        "  none: none",
        "  tasks:",
        "    - name: a",
        "      stack:",
        "        one",
        "        two",
        "    - name: b",
        "      stack: none",
        "worker 1:",
        "  error: gone",
    ]
