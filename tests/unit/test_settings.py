"""Settings: order, origins and mistakes."""

from __future__ import annotations

import pytest

from sampan import settings
from sampan.errors import BadSetting

pytestmark = pytest.mark.client


@pytest.fixture
def files(tmp_path):
    system = tmp_path / "system.toml"
    user = tmp_path / "config/sampan/config.toml"
    user.parent.mkdir(parents=True)

    def load(system_text=None, user_text=None, **variables):
        for path, text in ((system, system_text), (user, user_text)):
            if text is not None:
                path.write_text(text)
        return settings.load({"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config"), **variables}, str(system))

    return load


def test_the_later_place_wins_and_is_named(files):
    loaded = files("parallel = 2\nengine = 'proot'\n", "parallel = 3\n", SAMPAN_PARALLEL="5")
    assert (loaded["parallel"], loaded.origin("parallel")) == (5, "environment SAMPAN_PARALLEL")
    assert (loaded["engine"], loaded.origin("engine").endswith("system.toml")) == ("proot", True)
    assert (loaded["keep_blobs"], loaded.origin("keep_blobs")) == (True, "default")
    assert loaded.override("engine", "namespace").origin("engine") == "command line"


def test_the_store_is_below_the_data_home(files, tmp_path):
    assert files().text("home") == f"{tmp_path}/.local/share/sampan"
    assert files(XDG_DATA_HOME="/data").text("home") == "/data/sampan"
    assert files(SAMPAN_HOME="/elsewhere").text("home") == "/elsewhere"


@pytest.mark.parametrize(
    ("text", "sentence", "hint"),
    [
        ("paralel = 3", "unknown key 'paralel'", "did you mean parallel?"),
        ("parallel = 'x'", "must be a whole number", ""),
        ("parallel = true", "must be a whole number", ""),
        ("parallel = -1", "must be a whole number", ""),
        ("home = 'relative'", "must be an absolute path", ""),
        ("stores = 'x'", "must be a list", ""),
        ("parallel = ", "is not valid TOML", ""),
    ],
)
def test_mistakes_in_a_file(files, text, sentence, hint):
    with pytest.raises(BadSetting) as caught:
        files(user_text=text)
    assert sentence in caught.value.sentence
    assert "config.toml" in caught.value.sentence
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(("variable", "text"), [("SAMPAN_PARALLEL", "0"), ("SAMPAN_KEEP_BLOBS", "maybe"), ("SAMPAN_HOME", "x")])
def test_mistakes_in_a_variable(files, variable, text):
    with pytest.raises(BadSetting, match=variable):
        files(**{variable: text})
