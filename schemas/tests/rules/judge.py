"""The judge beside our own evaluation of Schematron: SaxonC (package saxonche of PyPI).

Every rule file becomes an XSLT stylesheet in the classic way, a mode for each pattern and a
template for each rule, so that Saxon's own matching of patterns decides. Reads lines
`rule file TAB message` and answers each with `== rule file TAB message` and then a line
`kind TAB id TAB path` for everything found; `failed` and a reason where Saxon could not run it.
"""

import os
import re
import sys
import xml.etree.ElementTree as ET

from saxonche import PySaxonProcessor

SCH = "{http://purl.oclc.org/dsdl/schematron}"
XSL = "{http://www.w3.org/1999/XSL/Transform}"

ET.register_namespace("xsl", XSL[1:-1])


def load(file):
    """The file with what it includes, and the prefixes declared on its root."""
    prefixes = dict(
        pair for _, pair in ET.iterparse(file, events=["start-ns"]) if pair[0]
    )
    root = ET.parse(file).getroot()

    def include(element):
        for at, child in enumerate(list(element)):
            if child.tag == SCH + "include":
                other = os.path.join(os.path.dirname(file), child.get("href"))
                other, _ = load(other)
                element[at] = other
            else:
                include(child)

    include(root)
    return root, prefixes


def patterns(root):
    """The patterns with abstract ones filled in."""
    abstract = {
        p.get("id"): p for p in root.iter(SCH + "pattern") if p.get("abstract") == "true"
    }
    for pattern in root.iter(SCH + "pattern"):
        if pattern.get("abstract") == "true":
            continue
        if pattern.get("is-a"):
            filled = ET.fromstring(ET.tostring(abstract[pattern.get("is-a")]))
            names = {p.get("name"): p.get("value") for p in pattern.iter(SCH + "param")}
            for element in filled.iter():
                for key, value in element.attrib.items():
                    element.set(
                        key,
                        re.sub(
                            r"\$([\w.\-]+)",
                            lambda m: names.get(m.group(1), m.group(0)),
                            value,
                        ),
                    )
            yield filled, pattern.get("id", "")
        else:
            yield pattern, pattern.get("id", "")


def parts(root, rule):
    """The lets and assertions of a rule, those of what it extends in their place."""
    for child in rule:
        if child.tag == SCH + "extends":
            base = next(
                r
                for r in root.iter(SCH + "rule")
                if r.get("abstract") == "true" and r.get("id") == child.get("rule")
            )
            yield from parts(root, base)
        elif child.tag in (SCH + "let", SCH + "assert", SCH + "report"):
            yield child


def stylesheet(file):
    root, prefixes = load(file)
    for ns in root.iter(SCH + "ns"):
        prefixes[ns.get("prefix")] = ns.get("uri")
    prefixes.setdefault("xs", "http://www.w3.org/2001/XMLSchema")
    prefixes.pop("xml", None)
    prefixes.pop("sch", None)
    sheet = ET.Element("xsl:stylesheet", {"version": "3.0", "xmlns:xsl": XSL[1:-1]})
    for prefix, uri in prefixes.items():
        sheet.set("xmlns:" + prefix, uri)
    ET.SubElement(sheet, "xsl:output", {"method": "text"})
    for function in root.iter(XSL + "function"):
        copy = ET.SubElement(sheet, "xsl:function", dict(function.attrib))
        for child in function:
            ET.SubElement(copy, child.tag.replace(XSL, "xsl:"), dict(child.attrib))

    def variable(parent, let):
        ET.SubElement(parent, "xsl:variable", {"name": let.get("name"), "select": let.get("value")})

    for let in root.findall(SCH + "let"):
        variable(sheet, let)
    start = ET.SubElement(sheet, "xsl:template", {"match": "/"})
    for number, (pattern, name) in enumerate(patterns(root)):
        mode = f"M{number}"
        ET.SubElement(start, "xsl:apply-templates", {"select": "/", "mode": mode})
        below = {"select": "@*|node()", "mode": mode}
        rest = {"match": "@*|node()|/", "mode": mode, "priority": "-10"}
        ET.SubElement(ET.SubElement(sheet, "xsl:template", rest), "xsl:apply-templates", below)
        for let in pattern.findall(SCH + "let"):
            variable(sheet, let)
        rules = [r for r in pattern.findall(SCH + "rule") if r.get("abstract") != "true"]
        for place, rule in enumerate(rules):
            template = ET.SubElement(
                sheet,
                "xsl:template",
                {"match": rule.get("context"), "mode": mode, "priority": str(10000 - place)},
            )
            lets = []
            for part in parts(root, rule):
                if part.tag == SCH + "let":
                    lets.append(part)
                    continue
                told = part.get("id") or rule.get("id") or name
                attempt = ET.SubElement(template, "xsl:try")
                for let in lets:
                    variable(attempt, let)
                test = part.get("test")
                hit = test if part.tag == SCH + "report" else f"not({test})"
                found = ET.SubElement(attempt, "xsl:if", {"test": hit})
                say(found, "rule-broken", told)
                say(ET.SubElement(attempt, "xsl:catch"), "rule-error", told)
            ET.SubElement(template, "xsl:apply-templates", below)
    return ET.tostring(sheet, encoding="unicode")


def say(parent, kind, told):
    step = (
        "concat('/', local-name($a), for $n in count($a/preceding-sibling::*"
        "[node-name(.) eq node-name($a)]) return if ($n > 0) then concat('[', $n + 1, ']') else '')"
    )
    path = (
        f"string-join((for $a in ancestor-or-self::* return {step},"
        " if (self::attribute()) then concat('/@', local-name()) else (),"
        " if (self::document-node()) then '/' else ()), '')"
    )
    line = f"concat('{kind}', '&#9;', '{told}', '&#9;', {path}, '&#10;')".replace("&#9;", "\t")
    ET.SubElement(parent, "xsl:value-of", {"select": line.replace("&#10;", "\n")})


def main():
    with PySaxonProcessor(license=False) as processor:
        compiled = {}
        for line in sys.stdin:
            rules, message = line.rstrip("\n").split("\t")
            print(f"== {rules}\t{message}")
            try:
                if rules not in compiled:
                    xslt = processor.new_xslt30_processor()
                    text = stylesheet(rules)
                    compiled[rules] = xslt.compile_stylesheet(stylesheet_text=text)
                answer = compiled[rules].transform_to_string(source_file=message)
                print("\n".join(l for l in (answer or "").splitlines() if "\t" in l))
            except Exception as error:  # Saxon's own errors have no common type.
                print("failed\t" + " ".join(str(error).split())[:300])


main()
