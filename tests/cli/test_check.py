"""`ferraris check`: what it prints, and how it ends."""

from __future__ import annotations


def test_a_meter_passes_its_own_specification(ferraris):
    ran = ferraris("check", "sim://smr-5.2", "--companion", "smr-5.2")
    assert ran.code == 0, ran.out
    lines = ran.out.splitlines()
    assert lines[0] == "smr-5.2: three-phase, which fits best, 4 channels; 204 objects"
    assert lines[-1].startswith("passed: 0 missing, 0 extra, 0 differs, ")
    assert any(line.startswith("unchecked  rights of 4 objects, as ") for line in lines)


def test_another_specification_fails_in_an_aligned_table(ferraris):
    ran = ferraris("check", "sim://smr-5.0?kind=single-phase", "--companion", "smr-5.5")
    assert ran.code == 1
    head, *rows = [line for line in ran.out.splitlines()[1:] if "unchecked" not in line]
    assert head.split() == ["class", "object", "what", "expected", "found", "name"]
    place = head.index("object")
    missing = [row for row in rows if row.startswith("missing")]
    assert "1      0-0:97.98.1*255" in "\n".join(missing)
    assert all(row[place].isdigit() and row[place - 1] == " " for row in missing)
    assert ran.out.splitlines()[-1].startswith(f"failed: {len(missing)} missing, ")


def test_a_file_of_ones_own_and_json(ferraris, tmp_path):
    file = tmp_path / "ours.toml"
    file.write_text('name = "ours"\nextends = "smr-5.2"\ndrop = ["1/1-0:0.2.0*255"]\n')
    ran = ferraris("check", "sim://smr-5.2", "--companion", str(file), "--json")
    assert ran.code == 1
    shape = ran.json
    assert (shape["version"], shape["companion"], shape["passed"]) == (1, "ours", False)
    found = [each for each in shape["findings"] if each["verdict"] != "unchecked"]
    assert [(each["verdict"], each["obis"]) for each in found] == [("extra", "1-0:0.2.0*255")]
    allowed = ferraris("check", "sim://smr-5.2", "--companion", str(file), "--allow-extra")
    assert allowed.code == 0
    assert "1 extra" in allowed.out


def test_bad_wishes(ferraris, tmp_path):
    assert ferraris("check", "sim://smr-5.2", "--companion", "smr-9").code == 2
    kind = ferraris("check", "sim://smr-5.2", "--companion", "smr-5.2", "--kind", "gas")
    assert kind.code == 2
    assert "knows no 'gas'" in kind.err
    file = tmp_path / "bad.toml"
    file.write_text('name = "bad"\n[[objects]]\nclass = "energy"\nobis = "1.8.0"\n')
    bad = ferraris("check", "sim://smr-5.2", "--companion", str(file))
    assert bad.code == 2
    assert "bad.toml, line 3: objects[1].class: a whole number 1..65535 expected" in bad.err
