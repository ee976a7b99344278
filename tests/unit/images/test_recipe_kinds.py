"""The table of the kinds of image: what holds for every row, and how recipes are read by it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from orchestrator import images
from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.errors import SpecError
from orchestrator.host.packages import XORRISO
from orchestrator.labfile.image_catalog import recipes
from orchestrator.labfile.image_recipe import KINDS, ImageKind, read
from orchestrator.machines import host_packages

ROWS = list(KINDS.values())


@pytest.mark.parametrize("kind", ROWS, ids=lambda kind: kind.name)
class TestRow:
    def test_a_module_makes_it_and_says_how_long_that_takes(self, kind: ImageKind) -> None:
        module = importlib.import_module(f"orchestrator.images.{kind.name}")
        assert callable(module.inputs)
        assert callable(module.build)
        assert module.expected_seconds(host_arch()) > 0

    def test_its_recipes_say_that_they_are_of_it(self, kind: ImageKind) -> None:
        schema = kind.recipe.model_json_schema()
        assert schema["properties"]["kind"]["const"] == kind.name
        assert {"image", "kind"} <= {*schema["required"]}

    def test_its_recipes_know_their_least_memory_and_their_disk(self, kind: ImageKind) -> None:
        for name in ("memory", "disk"):
            assert hasattr(kind.recipe, name) or name in kind.recipe.model_fields

    def test_an_image_of_it_is_like_the_row(self, kind: ImageKind) -> None:
        image = images.Image("a", "amd64", "a-amd64-0", Path(), kind=kind.name)
        found = image.effort, image.by_cloud_init, image.answers_on_a_line
        assert found == (kind.effort, kind.by_cloud_init, kind.our_init)

    def test_the_host_programs_it_names_have_packages(self, kind: ImageKind) -> None:
        known = {need.what for need in (host_packages.MKE2FS, XORRISO)}
        assert known >= {*kind.programs}


def test_every_recipe_of_ours_is_of_a_kind_in_the_table() -> None:
    assert {recipe.kind for recipe in recipes().values()} <= KINDS.keys()


def test_what_an_images_building_needs_of_the_host() -> None:
    source = {"url": "/i", "sha256": "0" * 64}
    cloud = read({"image": "a", "kind": "cloud", "sources": {"amd64": source, "arm64": source}})
    names = [need.what for need in host_packages.image_needs(cloud, "amd64")]
    assert names == ["qemu-img", ARCHITECTURES["amd64"].qemu, "xorriso"]
    assert [need.what for need in host_packages.image_needs(cloud, "arm64")][-1] == "UEFI firmware"
    assert host_packages.image_needs(recipes()["micro"], "amd64") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image: a\nkind: micor\n", "2:7: expected one of: {} (did you mean 'micro'?)"),
        ("image: a\n", "1:1: missing key 'kind'"),
        ("- a\n", "1:1: missing key 'kind'"),
        ("image: a\nkind: [oci]\n", "2:7: expected one of: {}"),
        ("image: a\nkind: oci\nreference: alpine:3\n", "3:12: expected an image by its digest"),
        ("image: a\nkind: full\npackages: []\nmodules: []\ndisk: 4GB\n", "5:7: expected a size"),
    ],
)
def test_a_mistake_in_a_recipe_is_told_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        recipes(tmp_path)
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{tmp_path / 'a.yaml'}:{words.format(', '.join(KINDS))}")


def test_all_mistakes_in_recipes_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("image: a\nkind: micro\npackage: {}\n")
    (tmp_path / "b.yaml").write_text("image: B!\nkind: containerfile\nfolder: .\nnetwork: nnoe\n")
    with pytest.raises(SpecError) as caught:
        recipes(tmp_path)
    assert [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems] == [
        "a.yaml:1:1: missing key 'packages'",
        "a.yaml:3:1: unknown key 'package' (did you mean 'packages'?)",
        "b.yaml:1:8: expected a name of at most 40 lower-case letters, digits and dashes, "
        "starting with a letter (did you mean 'b'?)",
        "b.yaml:4:10: expected one of: default, none (did you mean 'none'?)",
    ]
