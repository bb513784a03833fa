"""The scenarios that the product comes with."""

from sidecar.drill.shipped import names, scenario
from tests.doubles.drills import shipped


def test_there_are_ten_each_named_as_its_file_with_a_sentence_and_an_expectation() -> None:
    assert len(names()) == 10
    for name in names():
        one = scenario(name)
        assert one.name == name
        assert one.about.endswith(".")
        assert one.expect.avoidable == 0
        assert one.script


def test_all_of_the_folder_are_named() -> None:
    assert names() == [path.stem for path in shipped()]
