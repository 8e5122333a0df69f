"""nbgrader_config.py sets what exists, and what the course relies on."""

from collections.abc import Iterator

import nbgrader.apps
import pytest
from nbgrader.apps import NbGraderApp
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config, Configurable
from traitlets.config.loader import LazyConfigValue, PyFileConfigLoader

from grader.plugins.release import ClearEditorMetadata

from .conftest import ROOT


@pytest.fixture(scope="module")
def config() -> Config:
    return PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()


def descendants(cls: type) -> Iterator[type]:
    for child in cls.__subclasses__():
        yield child
        yield from descendants(child)


def test_every_option_exists_and_takes_its_value(config: Config) -> None:
    NbGraderApp().all_configurable_classes()  # imports everything that can be configured
    classes = {cls.__name__: cls for cls in descendants(Configurable)}
    for section, options in config.items():
        assert section in classes, f"nbgrader has no {section}"
        traits = classes[section].class_traits(config=True)
        for option, value in options.items():
            assert option in traits, f"{section} has no option {option}"
            configured = getattr(classes[section](config=config), option)
            if not isinstance(value, LazyConfigValue) and not isinstance(configured, type):
                assert configured == value


def test_a_server_that_reads_it_many_times_makes_a_release_in_the_same_steps() -> None:
    """JupyterLab merges what each of nbgrader's extensions has read."""
    merged = Config()
    for _ in range(3):
        merged.merge(PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config())
    steps = GenerateAssignment(config=merged).preprocessors
    assert steps.count(ClearEditorMetadata) == 1
    assert steps[1:] == GenerateAssignment().preprocessors


def test_the_course_is_the_folder_of_its_configuration(config: Config) -> None:
    assert CourseDirectory(config=config).root == str(ROOT)
    assert CourseDirectory(config=config).course_id


def test_the_twin_is_never_copied(config: Config) -> None:
    ignore = CourseDirectory(config=config).ignore
    assert nbgrader.utils.is_ignored(str(ROOT / "source/10_compression/compression_dev.py"), ignore)
    assert not nbgrader.utils.is_ignored(str(ROOT / "source/10_compression/module.yaml"), ignore)
