"""The page of every setting: its flag, variable, unit, default and meaning."""

from __future__ import annotations

from service.app.setting_texts import GroupText, SettingText, setting_groups

_INTRODUCTION = """\
# Settings

<!-- Written by `make reference` from service/app/setting_groups/. -->

Each setting has one name, and can be set in three ways. The first of these that has it counts:

1. a flag of `soloist serve`: `--grpc-port 8001`
2. an environment variable: `SOLOIST_GRPC_PORT=8001`
3. a line of a TOML file: `grpc_port = 8001`. The file is named by `--config`, or else by `SOLOIST_CONFIG`.

If none of them has it, the default counts. Units are in the names. A wrong value, or an unknown name in the file, ends
the server with exit code 2 and a sentence that says where it was set. Unknown variables are ignored: other programs may
set some that begin with `SOLOIST_`.

A switch is `true` or `false` in the environment and in the file. `--host` may be given several times; `SOLOIST_HOST`
takes commas or a JSON list, the file takes a list. Reasons such as `QUEUE_FULL` are those of [errors](errors.md).
"""
_HEADER = "| setting | flag | environment variable | type | default | what it does |\n|---|---|---|---|---|---|\n"


def page() -> str:
    """Return the page, in Markdown."""
    return "\n".join([_INTRODUCTION, *(_section(group) for group in setting_groups())])


def _section(group: GroupText) -> str:
    rows = "".join(f"| {' | '.join(_cells(setting))} |\n" for setting in group.settings)
    return f"## {group.title}\n\n{group.description}\n\n{_HEADER}{rows}"


def _cells(setting: SettingText) -> list[str]:
    flag = f"--[no-]{setting.flag[2:]}" if setting.switch else setting.flag
    kind = ", ".join(f"`{choice}`" for choice in setting.choices) or setting.kind
    return [
        f"`{setting.name}`",
        f"`{flag}`",
        f"`{setting.variable}`",
        f"{kind}, {setting.bounds}" if setting.bounds else kind,
        setting.default or "required",
        # Markdown would take <model> for HTML.
        setting.description.replace("<", "\\<"),
    ]
