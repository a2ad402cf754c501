"""The operator's passkey."""

from codara.adapters.secrets import create_private, mark_told, passkey


def test_a_given_passkey_holds_and_is_not_written_down(tmp_path):
    assert passkey(tmp_path, "given") == ("given", False)
    assert list(tmp_path.iterdir()) == []


def test_without_one_it_is_made_once_and_kept(tmp_path):
    made, new = passkey(tmp_path, None)
    assert new
    assert len(made) >= 32
    assert passkey(tmp_path, None)[0] == made


def test_a_made_passkey_is_new_until_somebody_was_told_it(tmp_path):
    made, _ = passkey(tmp_path, None)
    assert passkey(tmp_path, None) == (made, True)
    mark_told(tmp_path)
    mark_told(tmp_path)
    assert passkey(tmp_path, None) == (made, False)


def test_the_kept_passkey_is_for_its_owner_alone(tmp_path):
    passkey(tmp_path, None)
    folder = tmp_path / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in folder.iterdir()] == ["passkey"]
    assert (folder / "passkey").stat().st_mode & 0o777 == 0o600


def test_a_private_file_that_exists_is_left_alone(tmp_path):
    assert create_private(tmp_path / "f", "one")
    assert not create_private(tmp_path / "f", "two")
    assert (tmp_path / "f").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
