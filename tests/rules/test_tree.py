"""Trees are edited and merged without changing what they were made of."""

from __future__ import annotations

from sidecar.rules.tree import DEFAULT, Items, Origin, Scalar, Table, is_null, merged, tables

A, B = Origin("a", 1, 2), Origin("b", 3, 4)


def table(origin: Origin, **values: str) -> Table:
    result = Table({}, origin)
    for key, value in values.items():
        result = result.put(key, Scalar(value, origin))
    return result


def texts(node: object) -> dict[str, str]:
    assert isinstance(node, Table)
    return {key: entry.value.text for key, entry in node.entries.items() if isinstance(entry.value, Scalar)}


def test_an_origin_prints_its_line_where_it_has_one() -> None:
    assert (str(A), str(Origin("--set x")), str(DEFAULT)) == ("a:1", "--set x", "default")
    assert str(A.error("wrong")) == "a:1:2: error: wrong"
    assert str(Origin("--set x").warning("odd")) == "--set x: warning: odd"


def test_mappings_merge_key_by_key_and_keep_where_each_came_from() -> None:
    under, over = table(A, x="1", y="2"), table(B, y="3", z="4")
    result = merged(under, over)
    assert texts(result) == {"x": "1", "y": "3", "z": "4"}
    assert isinstance(result, Table)
    assert [result.entries[key].value.origin for key in "xyz"] == [A, B, B]
    assert texts(under) == {"x": "1", "y": "2"}


def test_anything_else_is_replaced() -> None:
    one, other = Items((), A), table(B)
    assert merged(one, other) is other
    assert merged(None, one) is one
    assert merged(one, None) is one


def test_putting_keeps_the_place_of_a_known_key() -> None:
    result = table(A, x="1").put("x", Scalar("2", B))
    assert (result.entries["x"].origin, texts(result)) == (A, {"x": "2"})


def test_a_key_that_holds_nothing_is_as_good_as_absent() -> None:
    assert table(A, x="null").get("x") is None
    assert table(A).get("x") is None
    assert is_null(Scalar("~", A))
    assert not is_null(Scalar("~", A, '"'))


def test_of_a_list_only_the_mappings_are_told() -> None:
    one = table(A, x="1")
    assert tables(Items((one, Scalar("2", A), Items((), A)), A)) == (one,)
    assert tables(one) == tables(None) == ()
