"""Fails unless tests against real PyTorch ran and none of them was skipped.

usage: check_interop.py REPORT_FOLDER...   (folders with Surefire's TEST-*.xml)
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def main(folders):
    ran, skipped = 0, []
    for folder in folders:
        for report in sorted(Path(folder).glob("TEST-*.xml")):
            for case in ElementTree.parse(report).getroot().iter("testcase"):
                name = f"{case.get('classname', '')}.{case.get('name', '')}"
                skip = case.find("skipped")
                reason = "" if skip is None else ElementTree.tostring(skip, encoding="unicode")
                if "interop" not in name.lower() and "PyTorch" not in reason:
                    continue
                if skip is None:
                    ran += 1
                else:
                    skipped.append(name)
    for name in skipped:
        print(f"skipped: {name}")
    if skipped or not ran:
        print(f"{ran} interop tests ran and {len(skipped)} were skipped: all must run, and there must be some")
        return 1
    print(f"{ran} interop tests ran, none was skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
