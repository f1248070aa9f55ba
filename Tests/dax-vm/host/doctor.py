"""What `pmemkv doctor --json` says of each pool, compared with how its medium was made."""

import json


def summary(report):
    """The findings that the machine's set-up decides."""
    found = {"dax": None, "path": None, "struct_page": set(), "backing": [], "alignment": set(),
             "asynchronous": 0, "eadr": None}
    for finding in report["findings"]:
        values = finding["values"]
        match finding["id"]:
            case "dax":
                found["dax"] = values["dax"]
            case "durability":
                found["path"], found["eadr"] = values["path"], values["eadr"]
            case "struct-page":
                found["struct_page"].add(values["placement"])
            case "alignment":
                found["alignment"].add(values["bytes"])
            case "memory":
                found["backing"].append(values["backing"])
            case "device-mapper":
                found["asynchronous"] = len(values["asynchronous"])
    found["backing"].sort()
    return found


def expectation(medium, automatic_flush):
    path = {"msync": "msync", "fence": "fence", "flush+fence": "flush-and-fence"}
    return {
        "dax": medium.is_dax,
        "path": path[medium.strategy(automatic_flush)] if medium.durable else "never",
        "struct_page": {medium.struct_page} - {None},
        "backing": sorted(medium.backing),
        "alignment": {medium.alignment} - {None},
        # The one member that makes a device-mapper device wait for msync.
        "asynchronous": int(medium.name == "dm-mixed"),
        "eadr": automatic_flush,
    }


def check(report, medium, text, automatic_flush):
    test = "doctor-eadr" if automatic_flush else "doctor"
    try:
        actual = summary(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        report.add(medium.name, test, False, f"{error!r} in {text[:200]}")
        return
    expected = expectation(medium, automatic_flush)
    wrong = {key: (expected[key], actual[key]) for key in expected if expected[key] != actual[key]}
    report.check(medium.name, test, not wrong, f"expected and found: {wrong}")
