"""The page: complete without a network, safe whatever a record says, and usable in a real browser."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from browser import opened
from opbench.leaderboard.page import render, write
from opbench.records.record import Machine, Record, Rollout
from opbench.records.shelf import save
from records import cost, record

FIRST = "section.board >> nth=0 >>"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x1b[2J\u202e"


def rolled(growth: float) -> dict:
    errors = {"relative_l2": tuple(0.01 * growth**k for k in range(4))}
    return {"test": Rollout(times=(0.1, 0.2, 0.3, 0.4), errors=errors, correlation_time=0.4, stable=1.0, horizon=2.0, growth_rate=0.1)}


def some() -> list:
    gpu = Machine(device="cuda", name="some GPU", threads=1, tf32=False)
    darcy = {"dataset": "darcy_2d", "task": "darcy_2d/static"}
    seeds = [record(model="fno", seed=seed, error=0.1 + seed / 100, rollouts=rolled(2.0)) for seed in range(3)]
    return [
        *seeds,
        record(model="ifno", error=0.05, parameters=999, seconds={"training_wall": 9.0, "training_cpu": 9.0}, rollouts=rolled(1.5)),
        record(model="deeponet", error=0.2, loss="physics", parameters=100),
        record(model="linear", error=0.4, labels=3),
        record(model="broken", error=0.01, status="diverged"),
        record(model="fno", error=0.3, **darcy),
        record(model="ifno", error=0.6, **darcy),
        record(model="fno", error=0.07, machine=gpu),
    ]


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return write(some(), tmp_path_factory.mktemp("page"))


def test_a_page_of_nothing_is_a_page():
    assert "0 training runs" in render([])


def test_a_table_of_runs_that_all_diverged_has_its_rows():
    lost = [record(model=model, status="diverged", scores={}, per_sample={}) for model in ("a", "b")]
    assert render(lost).count('class="details"') == 2


def test_what_a_record_says_is_text_wherever_it_stands():
    told = {"data_sha256": {"test": "0" * 64}, "settings": {HOSTILE: HOSTILE}, "changes": {HOSTILE: HOSTILE}, "training": {HOSTILE: 1}}
    told |= {"versions": {HOSTILE: HOSTILE}, "not_scored": {HOSTILE: HOSTILE}, "opbench": HOSTILE, "commit": HOSTILE, "command": HOSTILE}
    machine = Machine(device="cpu", name=HOSTILE, threads=1, tf32=False)
    page = render([record(model=HOSTILE, loss=HOSTILE, machine=machine, **told)])
    assert page.count("<script") == page.count("</script>") == 1
    assert "<img" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_the_page_names_no_other_place_and_its_policy_forbids_all_but_its_own_script_and_style():
    page = render(some())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src &#x27;none&#x27;; ")
    assert "unsafe" not in policy
    assert not re.findall(r'(?:src|href|action|style)="(?!#)', page)
    assert not re.findall(r"https?:", page)


def test_rendering_needs_neither_torch_nor_h5py(tmp_path):
    save(record(), tmp_path)
    code = f"""
import sys
from pathlib import Path
from opbench.leaderboard.page import write
from opbench.leaderboard.table import boards, write as tables
from opbench.records.shelf import shelf
records = shelf(Path({str(tmp_path)!r})).records
write(records, Path({str(tmp_path)!r}))
tables(boards(records), Path({str(tmp_path)!r}))
print(*(name for name in ("torch", "h5py", "matplotlib") if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_run_with_another_budget_or_fewer_labels_is_of_the_open_track():
    assert record(changes={"model.width": 9}).track == "closed"
    assert record(changes={"train.epochs": 9}).track == "open"
    assert record(labels=3).track == "open"
    assert record(loss="physics", labels=0).track == "closed"


def shown(page) -> list[str]:
    """The models of all rows in sight, top to bottom."""
    return page.eval_on_selector_all(".board tbody", "all => all.filter(b => b.offsetParent).map(b => b.rows[0].cells[0].textContent)")


def test_a_click_on_a_head_sorts_by_numbers_and_a_second_one_turns_the_order(path):
    with opened(path) as (page, faults):
        heads = page.locator(f"{FIRST} thead button")
        names = f"{FIRST} tbody th"
        for head, rising in (("parameters", ["deeponet", "ifno", "fno"]), ("test", ["ifno", "fno", "deeponet"])):
            heads.get_by_text(head, exact=True).click()
            found = [name for name in page.locator(names).all_inner_texts() if name in rising]
            assert found == rising, head
            heads.get_by_text(head, exact=True).click()
            found = [name for name in page.locator(names).all_inner_texts() if name in rising]
            assert found == rising[::-1], head
        assert page.locator(names).last.inner_text() == "broken"  # without a number: last in either order
        assert page.locator(f"{FIRST} th[aria-sort]").count() == 1
        assert faults == []


def test_filters_leave_what_fits_and_say_how_much(path):
    with opened(path) as (page, faults):
        every = shown(page)
        assert len(every) == 8
        cases = {
            ("task", "darcy_2d/static"): ["fno", "ifno"],
            ("device", "cuda"): ["fno"],
            ("loss", "physics"): ["deeponet"],
            ("track", "open"): ["linear"],
        }
        for (field, value), rows in cases.items():
            page.select_option(f"select[name={field}]", value)
            assert shown(page) == rows, field
            assert page.inner_text("output") == f"{len(rows)} row{'s' if len(rows) > 1 else ''} in 1 table"
            page.click("button[type=reset]")
            page.get_by_text(f"{len(every)} rows in").wait_for()
        page.fill("input[name=model]", "IFN")
        assert shown(page) == ["ifno", "ifno"]
        assert faults == []


def test_split_and_metric_choose_the_columns(tmp_path):
    scores = {"test": {"relative_l2": 0.1, "rmse": 7.0}, "ood": {"relative_l2": 0.2, "rmse": 8.0}}
    path = write([record(scores=scores, per_sample={"test": {"relative_l2": [0.1], "rmse": [7.0]}})], tmp_path)
    with opened(path) as (page, faults):

        def numbers() -> list[str]:
            return [text for text in page.locator("tbody td:visible").all_inner_texts() if text in ("0.1", "0.2", "7", "8")][1:]

        assert numbers() == ["0.1", "0.2"]  # after the overview's
        page.select_option("select[name=metric]", "rmse")
        assert numbers() == ["7", "8"]
        page.select_option("select[name=split]", "ood")
        assert numbers() == ["8"]
        assert faults == []


def test_details_open_by_keyboard_and_hostile_strings_are_seen_as_they_are(tmp_path):
    path = write([record(model=HOSTILE, command=HOSTILE, settings={"x": HOSTILE}), record(model="fno")], tmp_path)
    with opened(path) as (page, faults):
        button = page.locator(".details").first
        button.focus()
        page.keyboard.press("Enter")
        assert button.get_attribute("aria-expanded") == "true"
        assert "<img src=x onerror=alert(2)>" in page.locator(".more").first.inner_text()
        page.keyboard.press("Enter")
        assert page.locator(".more").first.is_hidden()
        assert faults == []


def test_a_link_leads_to_its_table_below_the_form_even_where_a_filter_had_hidden_it(path):
    with opened(path) as (page, faults):
        page.select_option("select[name=device]", "cuda")
        link = page.locator("main table a").first
        place = link.get_attribute("href").removeprefix("#")
        assert place.startswith("burgers_1d-trajectory-mini-cpu-")
        assert not link.is_visible()
        page.evaluate(f"location.hash = '{place}'")
        page.wait_for_function(f"!document.getElementById('{place}').hidden")
        page.wait_for_function("scrollY > 0")
        head = page.locator(f"[id='{place}'] h2").bounding_box()
        assert head["y"] >= page.locator("form").bounding_box()["height"]
        assert faults == []


def test_rows_come_in_the_order_of_the_metric_and_split_that_are_chosen(tmp_path):
    def run(model: str, error: float, noisy: float) -> Record:
        return record(
            model=model,
            scores={"test": {"relative_l2": error}, "noise_1": {"relative_l2": noisy}},
            per_sample={"test": {"relative_l2": [error]}},
        )

    path = write([run("a", 0.1, 0.9), run("b", 0.2, 0.3)], tmp_path)
    with opened(path) as (page, faults):
        assert shown(page) == ["a", "b"]
        page.select_option("select[name=split]", "noise_1")
        assert shown(page) == ["b", "a"]
        assert page.locator(f"{FIRST} th[aria-sort=ascending]:visible").inner_text().startswith("noise_1")
        page.fill("input[name=model]", "nobody")
        assert page.locator("#nothing").is_visible()
        assert page.inner_text("output") == "0 rows in 0 tables"
        assert faults == []


def test_roll_outs_and_losses_are_set_side_by_side_and_hide_with_their_rows(path):
    with opened(path) as (page, faults):
        assert page.locator(".overview h2:visible").all_inner_texts() == ["All tasks", "Fed their own output", "By loss"]
        tables = page.locator("details").last.locator("table")
        assert not tables.last.is_visible()
        page.get_by_role("heading", name="By loss").click()
        assert tables.last.is_visible()
        assert tables.first.locator("caption").text_content() == "By loss, in short"
        page.select_option("select[name=task]", "darcy_2d/static")
        assert page.locator(".overview h2:visible").all_inner_texts() == ["All tasks"]
        assert faults == []


def test_an_overview_shades_what_is_near_the_best_and_greys_what_is_far():
    steady = {"dataset": "darcy_2d", "task": "darcy_2d/static"}
    errors = {"a": 0.1, "b": 0.125, "c": 0.126, "d": 0.99, "e": 1.0}
    page = render([record(model=model, error=error, **steady) for model, error in errors.items()])
    front = page[: page.index("<form")].rpartition("<table")[2]
    found = re.findall(r'<td(?: class="(\w+)")?>([^<]+)<', front)
    assert found == [("best", "0.1"), ("near", "0.125"), ("", "0.126"), ("", "0.99"), ("far", "1")]


def test_intervals_stand_beside_the_test_error_and_hide_with_it(tmp_path):
    each = [0.1, 0.2, 0.3, 0.15]
    scores = {"test": {"relative_l2": math.fsum(each) / 4, "rmse": 7.0}}
    fno = [record(seed=seed, scores=scores, per_sample={"test": {"relative_l2": each, "rmse": [7.0] * 4}}) for seed in range(3)]
    twice = [2 * error for error in each]
    mine = {"scores": {"test": {"relative_l2": math.fsum(twice) / 4}}, "per_sample": {"test": {"relative_l2": twice}}}
    path = write([*fno, *(record(model="mine", seed=seed, **mine) for seed in range(3))], tmp_path)
    with opened(path) as (page, faults):
        heads = page.locator(f"{FIRST} thead th:visible")
        assert heads.all_inner_texts()[2:5] == ["test", "95 % interval", "over fno's"]
        cells = page.locator(f"{FIRST} tbody").nth(1).locator("td:visible").all_inner_texts()
        assert cells[3].startswith("2 (2 to 2), p < 0.001")
        page.select_option("select[name=metric]", "rmse")
        assert heads.all_inner_texts()[2:4] == ["test", "parameters"]
        assert faults == []


def test_what_diverged_in_part_is_not_best_and_a_residual_stands_beside_the_references_own():
    lucky = [record(model="lucky", seed=seed, error=0.001, status="trained" if seed == 0 else "diverged") for seed in range(3)]
    scores = {"test": {"relative_l2": 0.1, "physics_residual": 0.03}}
    told = record(scores=scores, per_sample={"test": {"relative_l2": [0.1], "physics_residual": [0.03]}}, physics_floor={"test": 0.174})
    page = render([*lucky, told])
    assert re.search(r'class="best">0\.1<', page)
    assert not re.search(r'class="best">0\.001', page)
    assert "0.001<small> diverged in part</small>" in page
    assert re.search(r"hidden>0\.03<small> reference&#x27;s 0\.174</small>", page)


def test_numbers_at_the_ends_of_what_a_record_may_say_are_drawn():
    least = 5e-324
    ends = record(model="ends", error=least, seconds={"training_wall": least, "training_cpu": 0.0}, cost=cost(latency=1e-30))
    far = record(model="far", error=4e99, seconds={"training_wall": 1e100, "training_cpu": 0.0}, cost=cost(latency=1e29))
    flat = Rollout(
        times=(0.0, least), errors={"relative_l2": (least, 1e100)}, correlation_time=0.0, stable=1.0, horizon=2.0, growth_rate=None
    )
    page = render([ends, far, record(rollouts={"test": flat})])
    assert "nan" not in re.sub(r"<desc>.*?</desc>", "", page)
    assert "Error against time" in page


def test_a_phone_shows_numbers_beside_the_tasks_names(path):
    with opened(path, viewport={"width": 320, "height": 700}) as (page, faults):
        row = page.locator("main table tbody tr").first
        assert row.locator("td").first.bounding_box()["x"] + row.locator("td").first.bounding_box()["width"] <= 320
        assert faults == []


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_but_tables_is_wider_than_the_window(path, width):
    with opened(path, viewport={"width": width, "height": 800}) as (page, faults):
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator("svg").count() >= 4
        assert faults == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_paper(path, scheme):
    """WCAG 2.2, 1.4.3: contrast of 4.5 or more, for the colours of words and curves, and of shades under words."""
    script = """() => ["--ink", "--soft", "--link", ...[0,1,2,3,4,5,6,7].map(k => `--c${k}`), "--near", "--paper"].map(name => {
        const light = part => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
        const [r, g, b] = [1, 3, 5].map(k => light(parseInt(hex.slice(k, k + 2), 16)));
        return [name, 0.2126 * r + 0.7152 * g + 0.0722 * b]; })"""
    with opened(path, color_scheme=scheme) as (page, _):
        *colours, (_, near), (_, paper) = page.evaluate(script)
    ink = dict(colours)["--ink"]
    assert (max(ink, near) + 0.05) / (min(ink, near) + 0.05) >= 4.5
    contrast = {name: (max(light, paper) + 0.05) / (min(light, paper) + 0.05) for name, light in colours}
    assert {name: ratio for name, ratio in contrast.items() if ratio < 4.5} == {}
