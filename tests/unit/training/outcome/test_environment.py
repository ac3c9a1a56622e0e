import subprocess

import torch

from lact_modules.training.outcome.environment import describe_hardware, source_commit


def git(folder, *arguments):
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True)


def test_commit_and_whether_the_source_was_changed(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    git(tmp_path, "init", "-q")
    assert source_commit(package) is None
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "x")
    git(tmp_path, "tag", "-am", "a tag must not hide the hash", "v1.0")
    commit = source_commit(package)
    assert len(commit["hash"]) == 40 and int(commit["hash"], 16)
    assert commit["dirty"] is False
    (package / "__init__.py").write_text("changed = True")
    assert source_commit(package) == {"hash": commit["hash"], "dirty": True}


def test_package_installed_below_a_foreign_checkout_has_no_commit(tmp_path):
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x")
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (installed / "__init__.py").write_text("")
    assert source_commit(installed) is None


def test_commit_is_unknown_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source_commit() is None


def test_hardware_describes_what_bears_on_speed():
    hardware = describe_hardware()
    assert hardware["cpu"]
    assert hardware["cores"] >= 1
    assert hardware["threads"] == torch.get_num_threads()
    assert hardware["gpu"] is None
