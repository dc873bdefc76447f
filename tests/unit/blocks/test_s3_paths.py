"""Which object goes where, and which may not."""

from pathlib import Path

import pytest

from blocks.s3_errors import UnsafeKeyError
from blocks.s3_paths import RemoteObject, folder_prefix, join_key, keyed_files, plan_downloads


def objects(*keys: str) -> list[RemoteObject]:
    return [RemoteObject(key, 1, '"e"') for key in keys]


def test_each_object_below_the_prefix_has_its_place(tmp_path: Path) -> None:
    plan = plan_downloads(objects("data/a.txt", "data/sub/b.txt", "data/", "data/sub/"), "data/", tmp_path)
    assert [each.target.relative_to(tmp_path).as_posix() for each in plan] == ["a.txt", "sub/b.txt"]


@pytest.mark.parametrize(
    "key",
    [
        "data/../x",
        "data/a/../../x",
        "data/..",
        "data//etc/passwd",
        "data/a\\..\\x",
        "data/a\0b",
        "data/./a",
        "data/a/.",
    ],
)
def test_a_key_that_tries_to_leave_is_refused_and_named(tmp_path: Path, key: str) -> None:
    with pytest.raises(UnsafeKeyError) as caught:
        plan_downloads(objects("data/fine", key), "data/", tmp_path)
    assert str(caught.value) == (
        f"The object {key!r} has a key that tries to leave the target folder (absolute, '..', a backslash or NUL), "
        "so nothing was downloaded; rename or remove it in the bucket."
    )


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    with pytest.raises(UnsafeKeyError, match="through a link that leaves"):
        plan_downloads(objects("link/x"), "", tmp_path / "in")


@pytest.mark.parametrize(("keys", "told"), [(("a/b", "a//b"), "become the same file"), (("a", "a/b"), "be a file and")])
def test_keys_that_cannot_lie_side_by_side_are_refused(tmp_path: Path, keys: tuple[str, str], told: str) -> None:
    with pytest.raises(UnsafeKeyError, match=told):
        plan_downloads(objects(*keys), "", tmp_path)


def test_names_with_dots_and_spaces_are_names(tmp_path: Path) -> None:
    plan = plan_downloads(objects("..a", "a..b/ c", "~", "-x"), "", tmp_path)
    assert [each.target.relative_to(tmp_path).as_posix() for each in plan] == ["..a", "a..b/ c", "~", "-x"]


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (("", ""), ""),
        (("base", ""), "base"),
        (("base", "a/b"), "base/a/b"),
        (("base/", "a/"), "base/a/"),
        (("", "a"), "a"),
    ],
)
def test_joined_keys(parts: tuple[str, str], key: str) -> None:
    assert join_key(*parts) == key


@pytest.mark.parametrize(
    ("folder", "prefix"), [("", ""), ("/", ""), ("data", "data/"), ("data/", "data/"), ("a/b", "a/b/")]
)
def test_prefixes_of_folders(folder: str, prefix: str) -> None:
    assert folder_prefix(folder) == prefix


def test_files_of_a_folder_have_keys_below_a_prefix(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.txt", "sub/b.txt", "sub/c.log"):
        (tmp_path / name).write_text("")
    (tmp_path / "ignored").write_text("*.log\nignored\n")
    found = keyed_files(tmp_path, "base", str(tmp_path / "ignored"))
    assert [key for _, key in found] == ["base/a.txt", "base/sub/b.txt"]
