"""The page about settings is written from the settings."""

from pathlib import Path

from codara.config import example
from codara.config.fields import settings_of
from codara.config.load import MASTER_KEY_VARIABLES, PASSKEY_VARIABLES
from codara.config.settings import Settings

PAGE = (Path(__file__).parents[3] / example.PAGE).read_text(encoding="utf-8")


def test_the_tables_are_up_to_date():
    assert PAGE.partition(example.MARK)[2].strip() == example.settings_table().strip(), (
        "run `make examples`"
    )


def test_every_setting_stands_in_the_tables_of_its_block():
    for setting in settings_of(Settings()):
        block = PAGE.partition(f"## `[{setting.block}]`")[2].partition("\n## ")[0]
        assert f"| `{setting.key}` | " in block
        assert all(f"`{name}`" in block for name in setting.env)


def test_the_secrets_are_named():
    assert all(f"`{name}`" in PAGE for name in (*PASSKEY_VARIABLES, *MASTER_KEY_VARIABLES))


def test_writing_them_again_changes_nothing(tmp_path):
    (tmp_path / "docs" / "reference").mkdir(parents=True)
    (tmp_path / example.PAGE).write_text(PAGE, encoding="utf-8")
    example.write(tmp_path)
    assert (tmp_path / example.PAGE).read_text(encoding="utf-8") == PAGE
    assert (tmp_path / "codara.toml.example").exists()
    assert (tmp_path / ".env.example").exists()
