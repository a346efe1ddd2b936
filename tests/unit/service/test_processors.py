from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from service.app.process_resources import cpu_quota, memory_limit, usable_processors

V2 = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 23 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
    "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
    "34 31 0:31 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
)
V1_GROUPS = "9:name=systemd:/\n3:cpuset:/elsewhere\n2:cpu,cpuacct:{path}\n0::/\n"


def machine(root: Path, *, groups: str, mounts: str, files: dict[str, str]) -> Path:
    """Write what the kernel would show; `files` are below /sys/fs/cgroup."""
    for name, text in {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name, text in files.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"a/b/cpu.max": "150000 100000\n"}, 1.5),
        ({"a/b/cpu.max": "max 100000\n"}, math.inf),
        ({"a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"}, 0.5),
        ({"a/b/cpu.max": "200000 100000\n", "a/cpu.max": "400000 100000\n"}, 2),
        ({"a/b/cpu.max": "20000 10000\n", "cpu.max": "100000 100000\n"}, 1),
        ({"a/c/cpu.max": "10000 100000\n"}, math.inf),
        ({"a/b/cpu.max": ""}, math.inf),
        ({"a/b/cpu.max": "many words of no sense\n"}, math.inf),
        ({"a/b/cpu.max": "100000 0\n"}, math.inf),
        ({}, math.inf),
    ],
)
def test_of_nested_groups_the_smallest_quota_counts(tmp_path: Path, files: dict[str, str], quota: float) -> None:
    root = machine(tmp_path, groups="0::/a/b\n", mounts=V2, files=files)
    assert cpu_quota(root) == quota


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"a/cpu.cfs_quota_us": "250000\n", "a/cpu.cfs_period_us": "100000\n"}, 2.5),
        ({"a/cpu.cfs_quota_us": "-1\n", "a/cpu.cfs_period_us": "100000\n"}, math.inf),
        ({"cpu.cfs_quota_us": "100000\n", "cpu.cfs_period_us": "100000\n"}, 1),
        ({"a/cpu.cfs_quota_us": "100000\n"}, math.inf),
    ],
)
def test_the_first_version_has_its_own_files(tmp_path: Path, files: dict[str, str], quota: float) -> None:
    within = {f"cpu,cpuacct/{name}": text for name, text in files.items()}
    root = machine(tmp_path, groups=V1_GROUPS.format(path="/a"), mounts=V1.format(root="/"), files=within)
    assert cpu_quota(root) == quota


@pytest.mark.parametrize("path", ["/docker/1234", "/docker/1234/..", "/elsewhere", "/docker/12345"])
def test_of_a_container_its_own_folder_is_mounted(tmp_path: Path, path: str) -> None:
    files = {"cpu,cpuacct/cpu.cfs_quota_us": "300000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}
    root = machine(tmp_path, groups=V1_GROUPS.format(path=path), mounts=V1.format(root="/docker/1234"), files=files)
    assert cpu_quota(root) == 3


def test_a_group_outside_of_what_is_shown_counts_as_the_one_that_is(tmp_path: Path) -> None:
    root = machine(tmp_path, groups="0::/../other\n", mounts=V2, files={"cpu.max": "100000 100000\n"})
    assert cpu_quota(root) == 1


def test_a_folder_with_a_space_is_found(tmp_path: Path) -> None:
    mounts = V2.replace("/sys/fs/cgroup", "/sys/fs/cgroup/my\\040groups")
    root = machine(tmp_path, groups="0::/\n", mounts=mounts, files={"my groups/cpu.max": "100000 100000\n"})
    assert cpu_quota(root) == 1


@pytest.mark.parametrize(("quota", "expected"), [("1000 100000", 1), ("100000 100000", 1), ("max 100000", None)])
def test_there_is_at_least_one_and_a_quota_is_rounded_up(tmp_path: Path, quota: str, expected: int | None) -> None:
    root = machine(tmp_path, groups="0::/\n", mounts=V2, files={"cpu.max": quota})
    bound = len(os.sched_getaffinity(0))
    assert usable_processors(root) == (expected or bound)
    (root / "sys/fs/cgroup/cpu.max").write_text("100001 100000")
    assert usable_processors(root) == min(2, bound)


@pytest.mark.parametrize("text", ["", "nonsense\n", ":::\n\n", "0::\n", " - \n1 2 3 - cgroup2\n"])
def test_where_the_kernel_says_nothing_affinity_counts(tmp_path: Path, text: str) -> None:
    assert usable_processors(tmp_path / "nothing") == len(os.sched_getaffinity(0))
    assert cpu_quota(machine(tmp_path, groups=text, mounts=text, files={})) == math.inf


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"a/b/memory.max": "1000\n", "a/memory.max": "900\n"}, 900),
        ({"a/b/memory.max": "max\n"}, math.inf),
        ({}, math.inf),
    ],
)
def test_of_nested_groups_the_smallest_memory_counts(tmp_path: Path, files: dict[str, str], limit: float) -> None:
    root = machine(tmp_path, groups="0::/a/b\n", mounts=V2, files=files)
    assert memory_limit(root) == limit
